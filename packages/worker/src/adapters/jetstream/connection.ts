/** The worker's NATS connections: they wait for the server and never give up on it. */
import { SkippedMessages, UnsentMessages, systemClock } from '@llmos/base';
import type { Logger } from '@llmos/base';
import { LINK_LIMITS, followLink, openLink } from '@llmos/wire';
import type { NatsConnection } from '@llmos/wire';

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
  const { servers, name } = options;
  const noted = { log: options.log, clock: systemClock };
  const skipped = new SkippedMessages(noted);
  const unsent = new UnsentMessages(noted);
  const connection = await openLink({
    servers,
    name,
    onSkipped: skipped.note,
    onUnsent: unsent.note,
    waitsForServer: true,
    // There may be thousands.
    reconnectJitterMs: LINK_LIMITS.reconnectWaitMs,
  });
  const { log } = options;
  followLink(connection, {
    onReconnected: options.onReconnect,
    onFailed: (error) => log.error('link-news-failed', { error }),
    onStatus: (type, data) => {
      if (type === 'disconnect' || type === 'reconnect') log.warn(`nats-${type}`);
      else if (type === 'error') log.warn('nats-error', { what: data });
    },
  });
  return { connection, skipped, unsent };
}
