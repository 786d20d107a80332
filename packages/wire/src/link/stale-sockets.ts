/**
 * Gives up the socket of a server that answers no pings any more, in bounded time.
 *
 * The client first waits until everything that it wrote has left, as over a slow line it does; but
 * where the server stands still and takes no more, that is never: it would not even try another
 * one, or the same one that is back.
 */

/** What is used of the client's own parts; `disconnect` is replaced. */
interface StaleProtocol {
  /** Called by the client's heartbeat. */
  disconnect(): void;
  dispatchStatus(status: { readonly type: string; readonly data: string }): void;
  /** Another one after each reconnect. */
  readonly transport: { disconnect(): void; close(): Promise<void> };
}

/** The client's name of it. */
const STALE = 'staleConnection';

/**
 * Leaves a connection as it is whose parts are not those of the client that is known.
 *
 * @param waitMs for what was written to leave.
 */
export function cutStaleSockets(connection: object, waitMs: number): void {
  const { protocol } = connection as { protocol?: Partial<StaleProtocol> };
  if (!isStaleProtocol(protocol)) return;
  protocol.disconnect = () => {
    protocol.dispatchStatus({ type: STALE, data: '' });
    const { transport } = protocol;
    transport.disconnect();
    // Does nothing where that is over; else the client reconnects as after any loss.
    setTimeout(() => void transport.close(), waitMs).unref();
  };
}

function isStaleProtocol(of: Partial<StaleProtocol> | undefined): of is StaleProtocol {
  return (
    typeof of?.disconnect === 'function' &&
    typeof of.dispatchStatus === 'function' &&
    typeof of.transport?.close === 'function' &&
    typeof of.transport.disconnect === 'function'
  );
}
