export * from './agent/device-choice';
export * from './config';
export * from './node-agent';
export * from './package-programs/package-check';
export * from './package-programs/package-quantize';
