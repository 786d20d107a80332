/**
 * Files of model packages in the object store, read piece by piece: no consumer to keep alive, no
 * piece in memory but the one being written. A replica may lag, so a miss asks the leader.
 */
import type { Logger } from '@llmos/base';
import { LlmosError, PACKAGE_STORE, backoffMs, packageObjectName } from '@llmos/base';
import type { MessageQuery, JetStreamManager, NatsConnection, MsgHdrs } from '@llmos/wire';
import {
  isApiError,
  readStored,
  PACKAGE_STREAM,
  objectSubject,
  piecesSubject,
  readDirectAnswer,
  readHeaders,
  readPackageObject,
} from '@llmos/wire';
import { PACKAGE_LIMITS } from '../../limits';
import type { ModelStore } from '../../ports/model-store';

const DIRECT = `$JS.API.DIRECT.GET.${PACKAGE_STREAM}`;

interface StoredMessage {
  readonly seq: number;
  readonly data: Uint8Array;
}

export async function createModelStore(
  connection: NatsConnection,
  log: Logger,
): Promise<ModelStore> {
  const jsm = await connection.jetstreamManager({
    checkAPI: false,
    timeout: PACKAGE_LIMITS.readTimeoutMs,
  });
  return new JetStreamModelStore(connection, jsm, log);
}

class JetStreamModelStore implements ModelStore {
  constructor(
    private readonly connection: NatsConnection,
    private readonly jsm: JetStreamManager,
    private readonly log: Logger,
  ) {}

  async *read(sha256: string): AsyncIterable<Uint8Array> {
    const name = packageObjectName(sha256);
    const meta = await this.find({ last_by_subj: objectSubject(name) });
    const object = meta === undefined ? undefined : readPackageObject(meta.data);
    if (object === undefined) {
      throw new LlmosError('NOT_FOUND', `no file ${name} in ${PACKAGE_STORE}`, { retryable: true });
    }
    const subject = piecesSubject(object.upload);
    let sequence = 1;
    for (let piece = 0; piece < object.pieces; piece += 1) {
      const message = await this.find({ seq: sequence, next_by_subj: subject });
      if (message === undefined) {
        const text = `file ${name} in ${PACKAGE_STORE} ends after ${piece} of ${object.pieces} pieces`;
        throw new LlmosError('DATA_LOSS', text, { retryable: true });
      }
      sequence = message.seq + 1;
      yield message.data;
    }
  }

  /** Undefined where there is no such message; UNAVAILABLE where the store did not answer. */
  private async find(query: MessageQuery): Promise<StoredMessage | undefined> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.findOnce(query);
      } catch (cause) {
        const message = cause instanceof Error ? cause.message : String(cause);
        if (tries >= PACKAGE_LIMITS.readTries) {
          throw new LlmosError('UNAVAILABLE', `${PACKAGE_STORE}: ${message}`, { cause });
        }
        this.log.warn('package-read-retried', { message, tries });
        const waitMs = backoffMs(PACKAGE_LIMITS.readRetry, tries);
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  }

  private async findOnce(query: MessageQuery): Promise<StoredMessage | undefined> {
    const direct = await this.findDirect(query);
    if (direct !== undefined) return direct;
    try {
      return await readStored(this.jsm, PACKAGE_STREAM, query);
    } catch (thrown) {
      // No object store yet.
      if (isApiError(thrown, 'streamNotFound')) return undefined;
      throw thrown;
    }
  }

  /** Raw bytes from any replica; undefined where it has none or direct reads are switched off. */
  private async findDirect(query: MessageQuery): Promise<StoredMessage | undefined> {
    try {
      const body = JSON.stringify(query);
      const options = { timeout: PACKAGE_LIMITS.readTimeoutMs };
      const answer = await this.connection.request(DIRECT, body, options);
      const { get } = readHeaders((): MsgHdrs | undefined => answer.headers);
      const found = readDirectAnswer(answer.headers?.code ?? 0, get);
      return found.kind === 'found' ? { seq: found.sequence, data: answer.data } : undefined;
    } catch {
      return undefined;
    }
  }
}
