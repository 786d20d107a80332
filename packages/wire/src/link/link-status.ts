/**
 * What the client says of a connection itself, beside the messages on it. A callback that throws
 * ends nothing: neither the program, nor the following, nor what the other callbacks hear.
 */

/** What is used of the client's connection. */
export interface StatusConnection {
  status(): AsyncIterable<ClientStatus> & { stop?(): void };
}

interface ClientStatus {
  readonly type: string;
  readonly data?: unknown;
  readonly permissionContext?: { readonly operation: string; readonly subject: string };
}

export interface LinkNews {
  readonly onDisconnected?: (() => void) | undefined;
  /** It is back. What was on its way may be lost, and the server may be another one. */
  readonly onReconnected?: (() => void) | undefined;
  /** The server refuses a subject; of a request it does not say which one. */
  readonly onDenied?: (subject: string, operation: DeniedOperation) => void;
  /** Each word of the client, by its own name of it: for a log. */
  readonly onStatus?: (type: string, data: unknown) => void;
  /** One of the others threw, or rejected. Must not throw itself. Default: nobody hears of it. */
  readonly onFailed?: (error: unknown) => void;
}

export type DeniedOperation = 'publish' | 'subscription';

/**
 * Tells of it until the connection is closed.
 *
 * @returns ends it; resolves once all was told that had been heard by then.
 */
export function followLink(connection: StatusConnection, news: LinkNews): () => Promise<void> {
  const statuses = connection.status();
  const following = (async () => {
    for await (const status of statuses) tell(status, news);
  })();
  return () => {
    statuses.stop?.();
    return following;
  };
}

function tell({ type, data, permissionContext: denied }: ClientStatus, news: LinkNews): void {
  guarded(news, () => news.onStatus?.(type, data));
  if (type === 'disconnect') guarded(news, () => news.onDisconnected?.());
  if (type === 'reconnect') guarded(news, () => news.onReconnected?.());
  if (denied === undefined) return;
  const operation = denied.operation === 'publish' ? 'publish' : 'subscription';
  guarded(news, () => news.onDenied?.(denied.subject, operation));
}

function guarded(news: LinkNews, call: () => unknown): void {
  try {
    const result = call();
    if (result instanceof Promise) result.catch((error: unknown) => news.onFailed?.(error));
  } catch (error) {
    news.onFailed?.(error);
  }
}
