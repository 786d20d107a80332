export * from './attempt';
export { createLeaderEpoch } from './adapters/jetstream/jetstream-leader-epoch';
export type { ReadLeaderEpoch } from './adapters/jetstream/jetstream-leader-epoch';
export * from './epoch-gate';
export * from './epoch-guard';
export * from './limits';
export type { ProcessCounts } from './process-runtime';
export * from './run-process';
