export { closeLink, openLink } from './link/connection';
export type { LinkOptions } from './link/connection';
export { followLink } from './link/link-status';
export { useLeanHeaders } from './link/lean-headers';
export { useLeanRequests } from './link/lean-requests';
export { guardCallback, guardMessages } from './link/message-guard';
export type { HeaderReading } from './link/message-headers';
export {
  checkHeaderSize,
  headersOf,
  messageBytesOf,
  readHeaders,
  statusOf,
} from './link/message-headers';
export { checkAnswerSize, guardPublishes, maxBodyBytesOf } from './link/publish-guard';
export { cutStaleSockets } from './link/stale-sockets';
export { LINK_LIMITS } from './limits';
export * from './nats';
export * from './node-codec';
export * from './process-codec';
export * from './result-codec';
export * from './stored/api-errors';
export * from './stored/bucket-watch';
export * from './stored/delivery';
export * from './stored/stored-chunk';
export * from './stored/stored-reads';
