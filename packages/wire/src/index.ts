export * from './api-errors';
export * from './connection';
export * from './node-codec';
export * from './process-codec';
export * from './result-codec';
export * from './stored-chunk';
export * from './stored-reads';
export { LINK_LIMITS } from './limits';
