export * from './attempt';
export * from './epoch-guard';
export * from './limits';
export type { ProcessCounts } from './process-runtime';
export { encodeErrorResult } from './adapters/jetstream/result-codec';
export * from './run-process';
