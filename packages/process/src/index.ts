export * from './attempt';
export * from './epoch-guard';
export * from './limits';
export { compareUrgency } from './mailbox';
export type { Urgency } from './mailbox';
export type { ProcessCounts } from './process-runtime';
export { encodeErrorResult } from './adapters/jetstream/result-codec';
export * from './run-process';
