/**
 * The kernel's connection to NATS: waits for the server at start, then reconnects for ever.
 */
import { LlmosError, parseServerUrls } from '@llmos/base';
import type { Logger } from '@llmos/base';
import type { LinkOptions, JetStreamManager, NatsConnection } from '@llmos/wire';
import {
  LINK_LIMITS,
  describeApiError,
  isUnavailable,
  openLink,
  followLink,
  isNatsError,
} from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';

export interface ConnectionOptions extends LinkOptions {
  readonly log: Logger;
  readonly waitMs: number;
  readonly onReconnect?: () => void;
  readonly onDisconnect?: () => void;
}

/** Rejects with UNAVAILABLE, naming the servers, where none answers within `waitMs`. */
export async function connectToNats(options: ConnectionOptions): Promise<NatsConnection> {
  const { log } = options;
  const { servers } = parseServerUrls(options.servers);
  const untilMs = performance.now() + options.waitMs;
  for (;;) {
    try {
      const connection = await openLink(options);
      followStatus(connection, options);
      void endWithoutIt(connection);
      return connection;
    } catch (error) {
      if (performance.now() >= untilMs) throw noServer(servers, error);
      log.info('waiting-for-nats', { servers });
      await new Promise((resolve) => setTimeout(resolve, LINK_LIMITS.reconnectWaitMs));
    }
  }
}

/**
 * A server that refuses the password for good, as where it was changed, ends the program: this
 * rejection is nobody's, and whoever starts the kernel again starts it with what is right now.
 */
async function endWithoutIt(connection: NatsConnection): Promise<void> {
  const error = await connection.closed();
  if (error instanceof Error) throw error;
}

function noServer(servers: readonly string[], cause: unknown): LlmosError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LlmosError(
    'UNAVAILABLE',
    `no NATS server answers at ${servers.join(', ')} (${reason}): ` +
      'start one with JetStream on, or set LLMOS_SERVERS',
    { cause },
  );
}

/** The client's names of what happens all the time. */
const ROUTINE: ReadonlySet<string> = new Set(['pingTimer', 'update']);

function followStatus(connection: NatsConnection, options: ConnectionOptions): void {
  followLink(connection, {
    onReconnected: options.onReconnect,
    onDisconnected: options.onDisconnect,
    onFailed: (error) => options.log.error('link-news-failed', { error }),
    onStatus: (type, data) => {
      if (ROUTINE.has(type)) return;
      const value = typeof data === 'object' ? 'change' : data;
      options.log.info('nats-status', { type, value });
    },
  });
}

/** Rejects with FAILED_PRECONDITION where hardly any body fits beside the room for headers. */
function assertPayload({ info }: NatsConnection): void {
  const leastBytes = EDGE_LIMITS.leastPayloadBytes;
  const bytes = info?.max_payload ?? leastBytes;
  if (bytes >= leastBytes) return;
  throw new LlmosError(
    'FAILED_PRECONDITION',
    `the NATS server takes messages of at most ${bytes} bytes, and llmos needs ${leastBytes}: ` +
      'raise its max_payload',
  );
}

/**
 * Rejects with FAILED_PRECONDITION where the server runs without JetStream; waits while it has
 * JetStream that is not up yet (a cluster first chooses a leader).
 */
export async function openJetStream(
  connection: NatsConnection,
  waiting: { readonly log: Logger; readonly waitMs: number },
): Promise<JetStreamManager> {
  assertPayload(connection);
  return whileUnavailable(waiting, async () => {
    const manager = await connection.jetstreamManager({
      timeout: EDGE_LIMITS.requestTimeoutMs,
      checkAPI: false,
    });
    try {
      await manager.getAccountInfo();
      return manager;
    } catch (error) {
      if (connection.info?.jetstream === true) throw error;
      throw new LlmosError(
        'FAILED_PRECONDITION',
        `the NATS server at ${connection.getServer()} has no JetStream: start it with -js`,
        { cause: error },
      );
    }
  });
}

/**
 * Repeats what the server can't do just now; UNAVAILABLE with its reason where that lasts longer
 * than `waitMs`. Other errors pass.
 */
export async function whileUnavailable<T>(
  waiting: { readonly log: Logger; readonly waitMs: number },
  operation: () => Promise<T>,
): Promise<T> {
  const untilMs = performance.now() + waiting.waitMs;
  for (;;) {
    try {
      return await operation();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (performance.now() >= untilMs) throw jetStreamAway(waiting.waitMs, error);
      waiting.log.info('waiting-for-jetstream', { reason: describeApiError(error) });
      await new Promise((resolve) => setTimeout(resolve, LINK_LIMITS.reconnectWaitMs));
    }
  }
}

/** Of what a server refused at the start, for people; other errors pass as they are. */
export function refusedAtStart(error: unknown): unknown {
  if (!isNatsError(error)) return error;
  const message = `the NATS server refuses what a kernel needs: ${describeApiError(error)}`;
  return new LlmosError('FAILED_PRECONDITION', message, { cause: error });
}

function jetStreamAway(waitMs: number, cause: unknown): LlmosError {
  const message =
    `JetStream of the NATS server did not serve this kernel within ${waitMs} ms ` +
    `(LLMOS_CONNECT_WAIT_MS): ${describeApiError(cause)}. It wants JetStream enabled for the ` +
    'account, a majority of its servers, and for a user with permissions $JS.API.> and _INBOX.>';
  return new LlmosError('UNAVAILABLE', message, { cause });
}
