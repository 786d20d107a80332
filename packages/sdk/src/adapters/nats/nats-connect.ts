/** Opens the NATS connection of a client; every failure is an LlmosError that names the servers. */
import { access, readFile } from 'node:fs/promises';
import { LlmosError, parseServerUrls } from '@llmos/base';
import {
  cutStaleSockets,
  useLeanHeaders,
  ErrorCode,
  MsgHdrsImpl,
  connect,
  credsAuthenticator,
} from '@llmos/wire';
import type { ConnectionOptions, NatsConnection } from '@llmos/wire';
import type { NatsTlsOptions } from '../../connect-options';
import { SDK_LIMITS } from '../../limits';
import { onAbort } from '../system/abort-listener';

export interface NatsConnectOptions {
  readonly servers: readonly string[];
  readonly name: string;
  readonly timeoutMs: number;
  readonly token?: string | undefined;
  readonly user?: string | undefined;
  readonly pass?: string | undefined;
  readonly credentialsFile?: string | undefined;
  readonly tls?: NatsTlsOptions | undefined;
  readonly inboxPrefix?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export async function connectToNats(given: NatsConnectOptions): Promise<NatsConnection> {
  const { servers, isTls, ...urlCredentials } = parseServerUrls(given.servers);
  const isNamed = [given.user, given.token, given.credentialsFile].some(
    (each) => each !== undefined,
  );
  const tls = given.tls ?? (isTls ? {} : undefined);
  const options = { ...given, ...(isNamed ? {} : urlCredentials), servers, tls };
  const { signal } = options;
  if (signal?.aborted === true) throw cancelled(options);
  useLeanHeaders(MsgHdrsImpl);
  const opening = connect(await connectionOptions(options)).then(boundWaits);
  if (signal === undefined) return opening.catch((cause: unknown) => refuse(options, cause));
  let stopListening = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stopListening = onAbort(signal, () => reject(cancelled(options)));
  });
  try {
    return await Promise.race([opening, aborted]);
  } catch (cause) {
    // Whoever opened it closes it, also when nobody waits for it any more.
    void opening.then(
      (connection) => connection.close(),
      () => undefined,
    );
    return refuse(options, cause);
  } finally {
    stopListening();
  }
}

/**
 * The client would wait for a server that stands still, and gives each try to reconnect as long as
 * the first connection had; it reads the options each time.
 */
function boundWaits(connection: NatsConnection): NatsConnection {
  cutStaleSockets(connection, SDK_LIMITS.staleFlushMs);
  const { options } = connection as { readonly options?: ConnectionOptions };
  if (options !== undefined) options.timeout = SDK_LIMITS.reconnectTryMs;
  return connection;
}

async function connectionOptions(options: NatsConnectOptions): Promise<ConnectionOptions> {
  const { token, user, pass, tls, inboxPrefix } = options;
  await assertTlsFiles(tls ?? {});
  return {
    servers: [...options.servers],
    name: options.name,
    timeout: options.timeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: SDK_LIMITS.reconnectWaitMs,
    pingInterval: SDK_LIMITS.pingIntervalMs,
    // A stack is recorded for every request otherwise.
    noAsyncTraces: true,
    ...(token === undefined ? {} : { token }),
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
    ...(tls === undefined ? {} : { tls }),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    ...(options.credentialsFile === undefined
      ? {}
      : { authenticator: credsAuthenticator(await readCredentials(options.credentialsFile)) }),
  };
}

async function readCredentials(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    const message = `the credentials file ${JSON.stringify(file)} can't be read`;
    throw new LlmosError('INVALID_ARGUMENT', message, { cause });
  }
}

/** They are read when a server asks for TLS, and one that is not there says nothing then. */
async function assertTlsFiles(tls: NatsTlsOptions): Promise<void> {
  for (const name of ['caFile', 'certFile', 'keyFile'] as const) {
    const file = tls[name];
    if (file === undefined) continue;
    await access(file).catch((cause: unknown) => {
      const message = `tls.${name} ${JSON.stringify(file)} can't be read`;
      throw new LlmosError('INVALID_ARGUMENT', message, { cause });
    });
  }
}

function refuse(options: NatsConnectOptions, cause: unknown): never {
  if (cause instanceof LlmosError) throw cause;
  const servers = options.servers.join(', ');
  const code = (cause as { code?: unknown } | undefined)?.code;
  if (code === 'AUTHORIZATION_VIOLATION' || code === 'AUTHENTICATION_TIMEOUT') {
    const message = `the NATS server at ${servers} refuses the credentials`;
    throw new LlmosError('UNAUTHENTICATED', message, { cause });
  }
  const hasNoTls = code === ErrorCode.ServerOptionNotAvailable;
  const text = cause instanceof Error ? cause.message : String(cause);
  const reason = hasNoTls ? 'the one there has no TLS' : text;
  const message = `no NATS server answers at ${servers}: ${reason}`;
  throw new LlmosError('UNAVAILABLE', message, { cause });
}

function cancelled(options: NatsConnectOptions): LlmosError {
  return new LlmosError('CANCELLED', `connecting to ${options.servers.join(', ')} was aborted`);
}
