/**
 * What the system uses of the NATS client, and its one door: no other package imports the client,
 * so that a move to another one is a change of this package alone.
 *
 * Connections are opened by link/connection.ts, which puts them behind their guards, and errors are
 * told apart by stored/api-errors.ts.
 */
export {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JsHeaders,
  NatsError,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  createInbox,
  headers,
  millis,
  nanos,
} from 'nats';
export type {
  ConsumerConfig,
  ConsumerInfo,
  JetStreamClient,
  JetStreamManager,
  KV,
  Msg,
  MsgHdrs,
  NatsConnection,
  StoredMsg,
  StreamConfig,
  StreamInfo,
  Subscription,
} from 'nats';
