/** The worker's NATS connections: they wait for the server and never give up on it. */
import {
  SkippedMessages,
  UnsentMessages,
  guardMessages,
  guardPublishes,
  parseServerUrls,
  systemClock,
  useLeanRequests,
} from '@llmos/base';
import type { Logger } from '@llmos/base';
import { NatsError, connect, createInbox } from 'nats';
import type { NatsConnection } from 'nats';
import { AGENT_LIMITS } from '../../limits';

export interface ConnectionOptions {
  readonly servers: readonly string[];
  /** Shown by the server's monitoring. */
  readonly name: string;
  readonly log: Logger;
  readonly onReconnect?: () => void;
}

export interface GuardedConnection {
  readonly connection: NatsConnection;
  /** Counts what came on it and can't be read. */
  readonly skipped: SkippedMessages;
  /** Counts what it could not send. */
  readonly unsent: UnsentMessages;
}

/** Resolves once a server answers. */
export async function openConnection(options: ConnectionOptions): Promise<GuardedConnection> {
  const { servers, isTls, ...credentials } = parseServerUrls(options.servers);
  const connection = await connect({
    servers: [...servers],
    ...credentials,
    ...(isTls ? { tls: {} } : {}),
    name: options.name,
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    timeout: AGENT_LIMITS.connectTryMs,
    reconnectTimeWait: AGENT_LIMITS.reconnectWaitMs,
    reconnectJitter: AGENT_LIMITS.reconnectWaitMs,
    pingInterval: AGENT_LIMITS.pingIntervalMs,
    maxPingOut: AGENT_LIMITS.maxPingsOut,
    ignoreClusterUpdates: false,
    // A stack is recorded for every request otherwise.
    noAsyncTraces: true,
  });
  const noted = { log: options.log, clock: systemClock };
  const skipped = new SkippedMessages(noted);
  guardMessages(connection, skipped.note);
  useLeanRequests(connection, { inbox: createInbox(), errors: NatsError });
  const unsent = new UnsentMessages(noted);
  guardPublishes(connection, unsent.note);
  void watchStatus(connection, options);
  return { connection, skipped, unsent };
}

async function watchStatus(connection: NatsConnection, options: ConnectionOptions): Promise<void> {
  const { log, onReconnect } = options;
  for await (const status of connection.status()) {
    const type = String(status.type);
    if (type === 'reconnect') onReconnect?.();
    if (type === 'disconnect' || type === 'reconnect') log.warn(`nats-${type}`);
    else if (type === 'error') log.warn('nats-error', { what: status.data });
  }
}
