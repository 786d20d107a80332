/** Opens the NATS connection of a client; every failure is an LlmosError that names the servers. */
import { access, readFile } from 'node:fs/promises';
import type { OnSkipped } from '@llmos/base';
import { LlmosError, parseServerUrls } from '@llmos/base';
import type { ClientLinkOptions, NatsConnection } from '@llmos/wire';
import { connectRefusal, openClientLink } from '@llmos/wire';
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
  readonly onSkipped: OnSkipped;
  readonly signal?: AbortSignal | undefined;
}

export async function connectToNats(options: NatsConnectOptions): Promise<NatsConnection> {
  const { signal } = options;
  const { servers } = parseServerUrls(options.servers);
  if (signal?.aborted === true) throw cancelled(servers);
  const opening = openClientLink(await linkOptions(options));
  if (signal === undefined) return opening.catch((cause: unknown) => refuse(servers, cause));
  let stopListening = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stopListening = onAbort(signal, () => reject(cancelled(servers)));
  });
  try {
    return await Promise.race([opening, aborted]);
  } catch (cause) {
    // Whoever opened it closes it, also when nobody waits for it any more.
    void opening.then(
      (connection) => connection.close(),
      () => undefined,
    );
    return refuse(servers, cause);
  } finally {
    stopListening();
  }
}

async function linkOptions(options: NatsConnectOptions): Promise<ClientLinkOptions> {
  const { timeoutMs, credentialsFile, signal: _signal, ...shared } = options;
  await assertTlsFiles(shared.tls ?? {});
  return {
    ...shared,
    connectMs: timeoutMs,
    reconnectTryMs: SDK_LIMITS.reconnectTryMs,
    reconnectWaitMs: SDK_LIMITS.reconnectWaitMs,
    pingIntervalMs: SDK_LIMITS.pingIntervalMs,
    staleFlushMs: SDK_LIMITS.staleFlushMs,
    ...(credentialsFile === undefined
      ? {}
      : { credentials: await readCredentials(credentialsFile) }),
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

function refuse(servers: readonly string[], cause: unknown): never {
  if (cause instanceof LlmosError) throw cause;
  const named = servers.join(', ');
  const refusal = connectRefusal(cause);
  if (refusal === 'credentials') {
    const message = `the NATS server at ${named} refuses the credentials`;
    throw new LlmosError('UNAUTHENTICATED', message, { cause });
  }
  const text = cause instanceof Error ? cause.message : String(cause);
  const reason = refusal === 'no-tls' ? 'the one there has no TLS' : text;
  throw new LlmosError('UNAVAILABLE', `no NATS server answers at ${named}: ${reason}`, { cause });
}

function cancelled(servers: readonly string[]): LlmosError {
  return new LlmosError('CANCELLED', `connecting to ${servers.join(', ')} was aborted`);
}
