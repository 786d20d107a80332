export * from './attempt';
export { createLeaderEpoch } from './adapters/jetstream/jetstream-leader-epoch';
export type { ReadLeaderEpoch } from './adapters/jetstream/jetstream-leader-epoch';
export * from './epoch-gate';
export * from './epoch-guard';
export * from './limits';
export type { ProcessCounts } from './process-runtime';
export { encodeErrorResult } from './adapters/jetstream/result-codec';
export * from './run-process';
