/**
 * The connection of a program to NATS, guarded before anything is heard or sent on it.
 *
 * The order matters: messages behind the guard first, so that whatever subscribes afterwards is
 * behind it too; then requests of our own, which must hear of a failed publish; then publishes.
 * How long to wait for a server, and what a program says of its connection, is its own.
 */
import type { OnSkipped, OnUnsent } from '@llmos/base';
import { GUARD_LIMITS, parseServerUrls, settlesWithin } from '@llmos/base';
import type { ConnectionOptions, NatsConnection, TlsOptions } from 'nats';
import { MsgHdrsImpl, NatsError, connect, createInbox, credsAuthenticator } from 'nats';
import { LINK_LIMITS } from '../limits';
import { useLeanHeaders } from './lean-headers';
import { useLeanRequests } from './lean-requests';
import { guardMessages } from './message-guard';
import { guardPublishes } from './publish-guard';
import { cutStaleSockets } from './stale-sockets';
import { batchWrites } from './write-batches';

export interface ServerAddress {
  /** URLs, which may hold credentials. */
  readonly servers: readonly string[];
  /** Shown by the server's monitoring. */
  readonly name: string;
}

export interface LinkOptions extends ServerAddress {
  readonly onSkipped: OnSkipped;
  readonly onUnsent: OnUnsent;
  /** Until one answers; else the first try decides. */
  readonly waitsForServer?: boolean;
  /** Of one try to connect. */
  readonly connectTryMs?: number;
  /** Added at random to the pause before a try, where very many would come at once. */
  readonly reconnectJitterMs?: number;
}

/** Reconnects for ever, once it is open. */
export async function openLink(options: LinkOptions): Promise<NatsConnection> {
  useLeanHeaders(MsgHdrsImpl, GUARD_LIMITS.maxHeaderBytes);
  const connection = await connect(optionsOf(options));
  batchWrites(connection);
  cutStaleSockets(connection, LINK_LIMITS.staleFlushMs);
  guardMessages(connection, options.onSkipped);
  useLeanRequests(connection, { inbox: createInbox(), errors: NatsError });
  guardPublishes(connection, options.onUnsent);
  return connection;
}

/** Closes it once the server has what was published, which the client's own `close` drops. */
export async function closeLink(connection: NatsConnection): Promise<void> {
  if (connection.isClosed()) return;
  const flushed = connection.flush().catch(() => undefined);
  await settlesWithin(flushed, LINK_LIMITS.closeFlushMs);
  await connection.close();
}

function optionsOf(options: LinkOptions): ConnectionOptions {
  const { waitsForServer, reconnectJitterMs } = options;
  return {
    ...addressOf(options),
    timeout: options.connectTryMs ?? LINK_LIMITS.connectTryMs,
    reconnectTimeWait: LINK_LIMITS.reconnectWaitMs,
    ...(reconnectJitterMs === undefined ? {} : { reconnectJitter: reconnectJitterMs }),
    ...(waitsForServer === undefined ? {} : { waitOnFirstConnect: waitsForServer }),
    pingInterval: LINK_LIMITS.pingIntervalMs,
    maxPingOut: LINK_LIMITS.maxPingsOut,
    ignoreClusterUpdates: false,
  };
}

/** Of a client in a program that is not ours; what is named here stands for what URLs hold. */
export interface ClientLinkOptions extends ServerAddress {
  readonly onSkipped: OnSkipped;
  /** Of the first connection; the first try decides. */
  readonly connectMs: number;
  /** Of each later try. */
  readonly reconnectTryMs: number;
  readonly reconnectWaitMs: number;
  readonly pingIntervalMs: number;
  readonly staleFlushMs: number;
  readonly token?: string | undefined;
  readonly user?: string | undefined;
  readonly pass?: string | undefined;
  /** The content of a credentials file. */
  readonly credentials?: Uint8Array | undefined;
  /** Paths of PEM files; what is left out is the system's. */
  readonly tls?: Pick<TlsOptions, 'caFile' | 'certFile' | 'keyFile'> | undefined;
  readonly inboxPrefix?: string | undefined;
}

/**
 * The connection of a client: its messages are behind the guard, headers of other connections of
 * its program are left alone, and what can't be published throws. Reconnects for ever, once it is
 * open.
 */
export async function openClientLink(options: ClientLinkOptions): Promise<NatsConnection> {
  useLeanHeaders(MsgHdrsImpl);
  const connection = await connect(clientOptionsOf(options));
  cutStaleSockets(connection, options.staleFlushMs);
  guardMessages(connection, options.onSkipped);
  // Each try to reconnect would have as long as the first; the client reads its options each time.
  const { options: kept } = connection as { readonly options?: ConnectionOptions };
  if (kept !== undefined) kept.timeout = options.reconnectTryMs;
  return connection;
}

function clientOptionsOf(options: ClientLinkOptions): ConnectionOptions {
  const { token, user, pass, credentials, tls, inboxPrefix } = options;
  const { user: _user, pass: _pass, token: _token, ...address } = addressOf(options);
  const isNamed = [user, token, credentials].some((each) => each !== undefined);
  return {
    ...(isNamed ? address : addressOf(options)),
    timeout: options.connectMs,
    reconnectTimeWait: options.reconnectWaitMs,
    pingInterval: options.pingIntervalMs,
    ...(token === undefined ? {} : { token }),
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
    ...(tls === undefined ? {} : { tls }),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    ...(credentials === undefined ? {} : { authenticator: credsAuthenticator(credentials) }),
  };
}

/** What every connection has in common. */
function addressOf({ servers: urls, name }: ServerAddress): ConnectionOptions {
  const { servers, isTls, ...credentials } = parseServerUrls(urls);
  return {
    servers: [...servers],
    ...credentials,
    ...(isTls ? { tls: {} } : {}),
    name,
    maxReconnectAttempts: -1,
    // A stack is recorded for every request otherwise.
    noAsyncTraces: true,
  };
}
