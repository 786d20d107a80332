export { closeLink, openClientLink, openLink } from './link/connection';
export type { ClientLinkOptions, LinkOptions, ServerAddress } from './link/connection';
export { followLink } from './link/link-status';
export { useLeanRequests } from './link/lean-requests';
export { guardCallback, guardMessages } from './link/message-guard';
export type { HeaderReading } from './link/message-headers';
export {
  checkHeaderSize,
  headersOf,
  STATUSES,
  messageBytesOf,
  readHeaderBlock,
  readHeaders,
  statusOf,
} from './link/message-headers';
export {
  checkAnswerSize,
  guardPublishes,
  maxBodyBytesOf,
  maxPayloadBytesOf,
} from './link/publish-guard';
export type { RequestEnd } from './link/request-table';
export { RequestTable } from './link/request-table';
export { LINK_LIMITS } from './limits';
export * from './nats';
export * from './node-codec';
export * from './process-codec';
export * from './result-codec';
export * from './stored/api-errors';
export * from './stored/bucket-watch';
export * from './stored/delivery';
export * from './stored/direct-answer';
export * from './stored/package-object';
export * from './stored/stored-chunk';
export * from './stored/stored-reads';
