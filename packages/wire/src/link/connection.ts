/**
 * The connection of a program to NATS, guarded before anything is heard or sent on it.
 *
 * The order matters: messages behind the guard first, so that whatever subscribes afterwards is
 * behind it too; then requests of our own, which must hear of a failed publish; then publishes.
 * How long to wait for a server, and what a program says of its connection, is its own.
 */
import type { OnSkipped, OnUnsent } from '@llmos/base';
import { GUARD_LIMITS, parseServerUrls, settlesWithin } from '@llmos/base';
import type { ConnectionOptions, NatsConnection } from 'nats';
import { MsgHdrsImpl, NatsError, connect, createInbox } from 'nats';
import { LINK_LIMITS } from '../limits';
import { useLeanHeaders } from './lean-headers';
import { useLeanRequests } from './lean-requests';
import { guardMessages } from './message-guard';
import { guardPublishes } from './publish-guard';
import { cutStaleSockets } from './stale-sockets';
import { batchWrites } from './write-batches';

export interface LinkOptions {
  readonly servers: readonly string[];
  /** Shown by the server's monitoring. */
  readonly name: string;
  readonly onSkipped: OnSkipped;
  readonly onUnsent: OnUnsent;
  /** Until one answers; else the first try decides. */
  readonly waitsForServer?: boolean;
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
  const { servers, isTls, ...credentials } = parseServerUrls(options.servers);
  const { waitsForServer, reconnectJitterMs } = options;
  return {
    servers: [...servers],
    ...credentials,
    ...(isTls ? { tls: {} } : {}),
    name: options.name,
    maxReconnectAttempts: -1,
    timeout: LINK_LIMITS.connectTryMs,
    reconnectTimeWait: LINK_LIMITS.reconnectWaitMs,
    ...(reconnectJitterMs === undefined ? {} : { reconnectJitter: reconnectJitterMs }),
    ...(waitsForServer === undefined ? {} : { waitOnFirstConnect: waitsForServer }),
    pingInterval: LINK_LIMITS.pingIntervalMs,
    maxPingOut: LINK_LIMITS.maxPingsOut,
    ignoreClusterUpdates: false,
    // A stack is recorded for every request otherwise.
    noAsyncTraces: true,
  };
}
