/** The worker's NATS connections: they wait for the server and never give up on it. */
import { parseServerUrls, useLeanRequests } from '@llmos/base';
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

/** Resolves once a server answers. */
export async function openConnection(options: ConnectionOptions): Promise<NatsConnection> {
  const { servers, isTls, ...credentials } = parseServerUrls(options.servers);
  const connection = await connect({
    servers: [...servers],
    ...credentials,
    ...(isTls ? { tls: {} } : {}),
    name: options.name,
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: AGENT_LIMITS.reconnectWaitMs,
    reconnectJitter: AGENT_LIMITS.reconnectWaitMs,
    pingInterval: AGENT_LIMITS.pingIntervalMs,
    maxPingOut: AGENT_LIMITS.maxPingsOut,
    ignoreClusterUpdates: false,
    // A stack is recorded for every request otherwise.
    noAsyncTraces: true,
  });
  useLeanRequests(connection, { inbox: createInbox(), errors: NatsError });
  void watchStatus(connection, options);
  return connection;
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
