/**
 * Snapshots and restores of streams by JetStream's own API, over plain NATS: the parts of a snapshot
 * come to an inbox, each acknowledged once it is written; those of a restore are requests.
 */
import {
  BUCKETS,
  LlmosError,
  asToken,
  cutText,
  decodeJson,
  encodeJson,
  isRecord,
  parseServerUrls,
  subjects,
} from '@llmos/base';
import type { TenantId } from '@llmos/base';
import type { ApiAnswer, ApiErrorName, ApiRefusal, Msg, NatsConnection } from '@llmos/wire';
import {
  createInbox,
  isRefusal,
  isTimeout,
  isUnheard,
  lacksRoom,
  openLink,
  readApiAnswer,
} from '@llmos/wire';
import { CLI_LIMITS } from '../../limits';
import { PROBE_STREAM, parseState } from '../../backup/manifest';
import type { StreamConfigRecord } from '../../backup/manifest';
import type { Snapshot, StreamLook, StreamServer } from '../../backup/stream-server';

type Fields = Readonly<Record<string, unknown>>;

/** Of a text of the server in a message to people. */
const MAX_REASON_CHARS = 300;
const LEADER_STREAM = `KV_${BUCKETS.leader}`;

export interface ServerAddress {
  /** Comma-separated URLs. */
  readonly servers: string;
  readonly signal: AbortSignal;
}

/** Waits for JetStream to be up: a cluster that starts first chooses a leader. */
export async function openStreamServer(address: ServerAddress): Promise<StreamServer> {
  const given = address.servers.split(',').map((server) => server.trim());
  const { servers } = parseServerUrls(given);
  let connection: NatsConnection;
  try {
    connection = await openLink({
      servers: given,
      name: 'llmos-backup',
      connectTryMs: CLI_LIMITS.natsRequestMs,
      // What can't be read or sent is missed by whoever waits for it, and says so.
      onSkipped: () => undefined,
      onUnsent: () => undefined,
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `no NATS server answers at ${servers.join(', ')}: ${reason}`;
    throw new LlmosError('UNAVAILABLE', message, { cause });
  }
  const server = new NatsStreamServer(connection, address.signal);
  try {
    await server.untilReady();
  } catch (error) {
    await connection.close();
    throw error;
  }
  return server;
}

class NatsStreamServer implements StreamServer {
  constructor(
    private readonly connection: NatsConnection,
    private readonly signal: AbortSignal,
  ) {}

  get version(): string {
    return this.connection.info?.version ?? 'unknown';
  }

  get isClustered(): boolean {
    return this.connection.info?.cluster !== undefined;
  }

  get serverCount(): number {
    return this.isClustered ? Math.max(1, this.connection.info?.connect_urls?.length ?? 1) : 1;
  }

  get partBytes(): number {
    return Math.min(CLI_LIMITS.snapshotPartBytes, this.connection.info?.max_payload ?? Infinity);
  }

  async untilReady(): Promise<void> {
    const untilMs = performance.now() + CLI_LIMITS.jetstreamWaitMs;
    for (;;) {
      try {
        return void (await this.#ask('INFO'));
      } catch (error) {
        const isLater = error instanceof LlmosError && error.code === 'UNAVAILABLE';
        if (!isLater || performance.now() >= untilMs) throw error;
        if (this.connection.info?.jetstream !== true) throw error;
        await this.pause();
      }
    }
  }

  async pause(): Promise<void> {
    this.#assertGoingOn();
    await new Promise((resolve) => setTimeout(resolve, CLI_LIMITS.serverLookMs));
    this.#assertGoingOn();
  }

  async isServed(): Promise<boolean> {
    const principal = asToken<TenantId>('operator', 'principal');
    try {
      const subject = subjects.sys({ principal, call: 'info' });
      await this.connection.request(subject, encodeJson({}), { timeout: CLI_LIMITS.natsRequestMs });
      return true;
    } catch (error) {
      // Where somebody listens and doesn't answer, somebody works.
      if (isUnheard(error)) return false;
      if (isTimeout(error)) return true;
      throw unavailable('a kernel', error);
    }
  }

  async leaderRecord(): Promise<{ revision: number; isReleased: boolean }> {
    const request = { last_by_subj: `$KV.${BUCKETS.leader}.leader` };
    const found = await this.#ask(`STREAM.MSG.GET.${LEADER_STREAM}`, request, [
      'streamNotFound',
      'noMessageFound',
    ]);
    const message = found === undefined ? undefined : found['message'];
    if (!isRecord(message)) return { revision: 0, isReleased: true };
    let record: unknown;
    try {
      record = decodeJson(Buffer.from(textOf(message['data']), 'base64'));
    } catch {
      record = undefined;
    }
    // One that can't be read counts as released, as for kernels.
    const isReleased = !isRecord(record) || record['isReleased'] === true;
    return { revision: Number(message['seq']), isReleased };
  }

  async names(): Promise<readonly string[]> {
    const names: string[] = [];
    for (;;) {
      const page = (await this.#ask('STREAM.NAMES', { offset: names.length })) ?? {};
      const streams = Array.isArray(page['streams']) ? (page['streams'] as unknown[]) : [];
      names.push(...streams.filter((name) => typeof name === 'string'));
      if (streams.length === 0 || names.length >= Number(page['total'])) return names;
    }
  }

  async find(name: string): Promise<StreamLook | undefined> {
    const info = await this.#ask(`STREAM.INFO.${name}`, undefined, ['streamNotFound']);
    return info === undefined ? undefined : lookOf(name, info);
  }

  async snapshot(
    name: string,
    of: { readonly hasConsumers: boolean; readonly write: (part: Uint8Array) => Promise<void> },
  ): Promise<Snapshot> {
    const inbox = createInbox();
    const parts = this.connection.subscribe(inbox);
    try {
      const answer = await this.#ask(`STREAM.SNAPSHOT.${name}`, {
        deliver_subject: inbox,
        no_consumers: !of.hasConsumers,
        chunk_size: this.partBytes,
      });
      const { config, state } = answer ?? {};
      if (!isRecord(config) || !isRecord(state)) throw odd(`a snapshot of ${name}`);
      const iterator = parts[Symbol.asyncIterator]();
      for (;;) {
        const message = await this.#next(iterator, name);
        if (message.data.byteLength === 0) {
          assertWhole(message, name);
          return { config, rawState: state };
        }
        await of.write(message.data);
        message.respond();
      }
    } finally {
      parts.unsubscribe();
    }
  }

  /** Rejects where the server falls silent: the end of a snapshot is a message of its own. */
  async #next(iterator: AsyncIterator<Msg>, name: string): Promise<Msg> {
    this.#assertGoingOn();
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      const message = `the server stopped sending ${name}: give the same command again`;
      const stop = (): void => reject(new LlmosError('UNAVAILABLE', message));
      timer = setTimeout(stop, CLI_LIMITS.snapshotSilenceMs);
    });
    try {
      const next = await Promise.race([iterator.next(), silence]);
      if (next.done !== true) return next.value;
      throw new LlmosError('UNAVAILABLE', `the connection ended while ${name} was sent`);
    } finally {
      clearTimeout(timer);
    }
  }

  async restore(snapshot: Snapshot, parts: AsyncIterable<Uint8Array>): Promise<void> {
    const { config, rawState: state } = snapshot;
    const name = String(config['name']);
    const answer = await this.#ask(`STREAM.RESTORE.${name}`, { config, state });
    const subject = answer?.['deliver_subject'];
    if (typeof subject !== 'string') throw odd(`a restore of ${name}`);
    for await (const part of parts) {
      this.#assertGoingOn();
      const answer = await this.#request(subject, part, CLI_LIMITS.restorePartMs);
      assertTaken(answer, name);
      readAnswer(answer, `part of ${name}`);
    }
    const last = await this.#request(subject, new Uint8Array(), CLI_LIMITS.restoreEndMs);
    assertTaken(last, name);
    readAnswer(last, `the end of ${name}`);
  }

  async update(name: string, changes: StreamConfigRecord): Promise<void> {
    const info = await this.#ask(`STREAM.INFO.${name}`);
    const config = isRecord(info?.['config']) ? info['config'] : {};
    await this.#ask(`STREAM.UPDATE.${name}`, { ...config, ...changes });
  }

  async remove(name: string): Promise<void> {
    await this.#ask(`STREAM.DELETE.${name}`, undefined, ['streamNotFound']);
  }

  async hasRoom(bytes: number, replicas: number): Promise<boolean> {
    const probe = {
      name: PROBE_STREAM,
      subjects: ['llmos.probe.room'],
      retention: 'limits',
      storage: 'file',
      discard: 'old',
      max_bytes: bytes,
      num_replicas: replicas,
    };
    await this.remove(PROBE_STREAM);
    const subject = `$JS.API.STREAM.CREATE.${PROBE_STREAM}`;
    const message = await this.#request(subject, encodeJson(probe), CLI_LIMITS.natsRequestMs);
    const refusal = refusalOf(message);
    if (refusal !== undefined && lacksRoom(refusal)) return false;
    readAnswer(message, 'a look for room');
    await this.remove(PROBE_STREAM);
    return true;
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  /** undefined where the server answers with one of the expected errors. */
  async #ask(
    call: string,
    request?: Fields,
    expected: readonly ApiErrorName[] = [],
  ): Promise<Fields | undefined> {
    const body = request === undefined ? new Uint8Array() : encodeJson(request);
    const message = await this.#request(`$JS.API.${call}`, body, CLI_LIMITS.natsRequestMs);
    const refusal = refusalOf(message);
    if (refusal !== undefined && isRefusal(refusal, ...expected)) return undefined;
    return readAnswer(message, call);
  }

  async #request(subject: string, body: Uint8Array, timeout: number): Promise<Msg> {
    this.#assertGoingOn();
    try {
      return await this.connection.request(subject, body, { timeout });
    } catch (error) {
      throw unavailable(subject, error);
    }
  }

  #assertGoingOn(): void {
    if (this.signal.aborted) throw new LlmosError('CANCELLED', 'interrupted');
  }
}

function lookOf(name: string, info: Fields): StreamLook {
  const { config, state, created, cluster } = info;
  const parsed = isRecord(state) ? parseState(state) : undefined;
  if (!isRecord(config) || parsed === undefined) throw odd(`the stream ${name}`);
  const replicas = isRecord(cluster) ? cluster['replicas'] : undefined;
  const others = Array.isArray(replicas) ? (replicas as unknown[]) : [];
  const current = others.filter((each) => isRecord(each) && each['current'] === true).length;
  const hasLeader = !isRecord(cluster) || typeof cluster['leader'] === 'string';
  const currentReplicas = hasLeader ? current + 1 : 0;
  return { name, created: textOf(created), config, state: parsed, currentReplicas };
}

/** Newer servers say at the end whether it went well; older ones say nothing. */
function assertWhole(message: Msg, name: string): void {
  const status = message.headers?.code ?? 0;
  if (status < 400) return;
  const reason = `${status} ${message.headers?.description ?? ''}`.trim();
  throw new LlmosError('UNAVAILABLE', `the server broke off the snapshot of ${name}: ${reason}`);
}

/** What can't be written of a restore is answered as a line of text, or as an error of its own. */
function assertTaken(message: Msg, name: string): void {
  const line = Buffer.from(message.data).toString();
  const reason = line.startsWith('-ERR') ? line.slice(4).trim() : restoreFailureOf(message);
  if (reason === undefined) return;
  throw new LlmosError(
    'RESOURCE_EXHAUSTED',
    `the NATS server could not write ${name} (${cutText(reason, MAX_REASON_CHARS)}): is its disk ` +
      'full? With room, give the same command again',
    { retryable: false },
  );
}

function restoreFailureOf(message: Msg): string | undefined {
  const refusal = refusalOf(message);
  const isIt = refusal !== undefined && isRefusal(refusal, 'restoreFailed');
  return isIt ? refusal.description : undefined;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function answerOf(message: Msg): Exclude<ApiAnswer, { readonly kind: 'unreadable' }> {
  const answer = readApiAnswer(message.data);
  if (answer.kind === 'unreadable') throw odd(message.subject);
  return answer;
}

function refusalOf(message: Msg): ApiRefusal | undefined {
  const answer = answerOf(message);
  return answer.kind === 'refused' ? answer.refusal : undefined;
}

/** What was answered; empty where that is nothing. */
function readAnswer(message: Msg, what: string): Fields {
  const answer = answerOf(message);
  if (answer.kind === 'answered') return answer.fields;
  const { code: natsError, description, status } = answer.refusal;
  const reason = cutText(description, MAX_REASON_CHARS);
  const text = `the NATS server refuses ${what}: ${reason} (${natsError})`;
  const details = { natsError };
  const isFull = lacksRoom(answer.refusal);
  if (status === 503 && !isFull) throw new LlmosError('UNAVAILABLE', text, { details });
  const code = isFull ? 'RESOURCE_EXHAUSTED' : 'FAILED_PRECONDITION';
  throw new LlmosError(code, text, { retryable: false, details });
}

function unavailable(what: string, cause: unknown): LlmosError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LlmosError('UNAVAILABLE', `NATS does not answer ${what}: ${reason}`, { cause });
}

function odd(what: string): LlmosError {
  return new LlmosError('INTERNAL', `the NATS server answers with what can't be read of ${what}`);
}
