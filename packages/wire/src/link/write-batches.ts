/**
 * What is published in one turn of the event loop goes to the socket in one write.
 *
 * The client writes after each microtask that publishes, so a program that answers hundreds of
 * messages in a turn asks its kernel hundreds of times: a fifth of a busy kernel's time. Here the
 * write waits for the end of the turn, which comes before the event loop may sleep, or for as many
 * bytes as one write should have.
 */
import type { NatsConnection } from 'nats';

/** What is used of the client's own parts; both methods are replaced. */
interface WritingProtocol {
  flushPending(): void;
  close(): Promise<void>;
  readonly outbound: { size(): number };
}

/** More is written at once. */
const MAX_BATCH_BYTES = 64 * 1024;

/** Leaves a connection as it is whose parts are not those of the client that is known. */
export function batchWrites(connection: NatsConnection): void {
  const { protocol } = connection as unknown as { protocol?: Partial<WritingProtocol> };
  if (!isWritingProtocol(protocol)) return;
  const write = protocol.flushPending.bind(protocol);
  let isDue = false;
  protocol.flushPending = () => {
    if (protocol.outbound.size() >= MAX_BATCH_BYTES) return write();
    if (isDue) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      write();
    });
  };
  const close = protocol.close.bind(protocol);
  protocol.close = () => {
    write();
    return close();
  };
}

function isWritingProtocol(of: Partial<WritingProtocol> | undefined): of is WritingProtocol {
  return (
    typeof of?.flushPending === 'function' &&
    typeof of.close === 'function' &&
    typeof of.outbound?.size === 'function'
  );
}
