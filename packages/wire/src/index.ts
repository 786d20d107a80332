export * from './node-codec';
export * from './process-codec';
