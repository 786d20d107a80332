export * from './adapters/ajv/schema-check';
export * from './adapters/nats/bucket-watch';
export * from './adapters/nats/delivery';
export { useLeanHeaders } from './adapters/nats/lean-headers';
export { useLeanRequests } from './adapters/nats/lean-requests';
export { guardCallback, guardMessages } from './adapters/nats/message-guard';
export type { HeaderReading } from './adapters/nats/message-headers';
export {
  checkHeaderSize,
  headersOf,
  messageBytesOf,
  readHeaders,
  statusOf,
} from './adapters/nats/message-headers';
export { cutStaleSockets } from './adapters/nats/stale-sockets';
export { checkAnswerSize, guardPublishes, maxBodyBytesOf } from './adapters/nats/publish-guard';
export * from './adapters/node/body-digest';
export * from './adapters/node/node-metrics';
export * from './adapters/node/probe-server';
export * from './adapters/node/settles-within';
export * from './adapters/pino/pino-logger';
export * from './attempt-cost';
export * from './backoff';
export * from './chunk-assembly';
export * from './clock';
export * from './errors';
export * from './exposure';
export * from './fair-fifo';
export * from './fifo';
export * from './float16';
export * from './functions/built-in';
export * from './functions/function-definition';
export * from './functions/function-types';
export * from './functions/json-schema';
export * from './functions/tensor-elements';
export * from './generate-chunk';
export * from './ids';
export * from './leader-record';
export * from './store-sequences';
export * from './limits';
export * from './logger';
export * from './lost-messages';
export * from './merge-chunks';
export * from './model-package';
export * from './model-ref';
export * from './node-capabilities';
export * from './node-protocol';
export * from './process-protocol';
export * from './program-link';
export * from './own-bytes';
export * from './own-text';
export * from './paced-telling';
export * from './random';
export * from './recent-map';
export * from './result';
export * from './result-place';
export * from './server-time';
export * from './server-urls';
export * from './subjects';
export * from './system-calls';
export * from './tally';
export * from './task-class';
export * from './task-digest';
export * from './task-headers';
export * from './timers';
export * from './told-bytes';
