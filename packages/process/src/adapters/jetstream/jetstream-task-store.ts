/** Bodies, results and chunks in JetStream; every read asks the stream's leader. */
import type { AttemptRef, AttemptSpec, BodyFormat, GenerateChunk, StoredChunk } from '@llmos/base';
import {
  encodeChunk,
  formatIdentity,
  HEADERS,
  JSON_CONTENT_TYPE,
  parseTaskSubject,
  PROTOBUF_CONTENT_TYPE,
  readResultMarks,
  resultPlace,
  STREAMS,
  subjects,
} from '@llmos/base';
import {
  readHeaders,
  describeApiError,
  encodeErrorResult,
  isConflict,
  isTooLarge,
  maxPayloadBytesOf,
  readResultEnd,
  readStored,
  readStoredChunk,
  headers,
} from '@llmos/wire';
import type {
  MessageQuery,
  JetStreamClient,
  JetStreamManager,
  MsgHdrs,
  NatsConnection,
  StoredMsg,
} from '@llmos/wire';
import type { ResultOwner } from '../../attempt';
import { PROCESS_LIMITS } from '../../limits';
import type {
  BodyOutcome,
  ChunksOutcome,
  PutOutcome,
  ResultOutcome,
  TaskStore,
} from '../../ports/task-store';

/** Asks the server nothing yet: streams that are missing make its answers `unavailable`. */
export async function createTaskStore(connection: NatsConnection): Promise<TaskStore> {
  const options = { timeout: PROCESS_LIMITS.storeTimeoutMs };
  const jsm = await connection.jetstreamManager({ ...options, checkAPI: false });
  return new JetStreamTaskStore(connection, connection.jetstream(options), jsm);
}

interface Put {
  readonly subject: string;
  readonly stream: string;
  readonly body: Uint8Array;
  readonly after: number;
  readonly attempt: number;
  readonly contentType: string;
  readonly identity?: string;
}

class JetStreamTaskStore implements TaskStore {
  readonly encodeError = encodeErrorResult;

  constructor(
    private readonly connection: NatsConnection,
    private readonly js: JetStreamClient,
    private readonly jsm: JetStreamManager,
  ) {}

  get maxBodyBytes(): number {
    return maxPayloadBytesOf(this.connection) - PROCESS_LIMITS.headerReserveBytes;
  }

  async readBody(of: AttemptSpec): Promise<BodyOutcome> {
    const found = await this.find(STREAMS.tasks, { seq: of.sequence });
    if (found.kind === 'unavailable') return found;
    if (found.kind === 'none') return { kind: 'gone' };
    // A sequence of another tenant's task would hand its body to this one.
    const subject = parseTaskSubject(found.message.subject);
    if (subject?.tenant !== of.tenant) return { kind: 'gone' };
    return { kind: 'read', body: found.message.data };
  }

  putResult(
    of: ResultOwner,
    result: Uint8Array,
    how: { readonly format: BodyFormat; readonly after: number },
  ): Promise<PutOutcome> {
    const { digest } = of;
    const { subject, stream } = resultPlace(of, of.keepMs);
    return this.put({
      subject,
      stream,
      body: result,
      after: how.after,
      attempt: of.attempt,
      contentType: how.format === 'json' ? JSON_CONTENT_TYPE : PROTOBUF_CONTENT_TYPE,
      ...(digest === undefined
        ? {}
        : { identity: formatIdentity({ function: of.function, digest }) }),
    });
  }

  async readResult(of: ResultOwner): Promise<ResultOutcome> {
    const { stream, subject } = resultPlace(of, of.keepMs);
    const found = await this.find(stream, { last_by_subj: subject });
    if (found.kind !== 'found') return found;
    const { message } = found;
    const { get } = readHeaders((): MsgHdrs | undefined => message.header);
    const { format, refusedSequence } = readResultMarks(get);
    return {
      kind: 'found',
      result: readResultEnd(message.data, format),
      ...(refusedSequence === undefined ? {} : { refusalSequence: message.seq }),
    };
  }

  putChunk(of: AttemptRef, chunk: GenerateChunk, after: number): Promise<PutOutcome> {
    return this.put({
      subject: subjects.stream(of),
      stream: STREAMS.streams,
      body: encodeChunk(chunk),
      after,
      attempt: of.attempt,
      contentType: JSON_CONTENT_TYPE,
    });
  }

  async readChunks(of: AttemptRef, after: number): Promise<ChunksOutcome> {
    const subject = subjects.stream(of);
    const last = await this.find(STREAMS.streams, { last_by_subj: subject });
    if (last.kind === 'unavailable') return last;
    if (last.kind === 'none') return { kind: 'read', chunks: [], lastSequence: 0, hasMore: false };
    const lastSequence = last.message.seq;
    const chunks: StoredChunk[] = [];
    let bytes = 0;
    for (let sequence = after + 1; sequence <= lastSequence;) {
      const isLast = sequence === lastSequence;
      const next = isLast
        ? last
        : await this.find(STREAMS.streams, { seq: sequence, next_by_subj: subject });
      if (next.kind === 'unavailable') return next;
      if (next.kind === 'none') break;
      chunks.push(readStoredChunk(next.message));
      const { seq, data } = next.message;
      bytes += data.length;
      const { chunkPage, chunkPageBytes } = PROCESS_LIMITS;
      const isFull = chunks.length >= chunkPage || bytes >= chunkPageBytes;
      if (isFull && seq < lastSequence) {
        return { kind: 'read', chunks, lastSequence: seq, hasMore: true };
      }
      sequence = seq + 1;
    }
    return { kind: 'read', chunks, lastSequence, hasMore: false };
  }

  private async put(of: Put): Promise<PutOutcome> {
    const limitBytes = this.maxBodyBytes;
    if (of.body.length > limitBytes) return { kind: 'too-large', limitBytes };
    const fields = headers();
    fields.set(HEADERS.attempt, String(of.attempt));
    fields.set(HEADERS.contentType, of.contentType);
    if (of.identity !== undefined) fields.set(HEADERS.digest, of.identity);
    try {
      const ack = await this.js.publish(of.subject, of.body, {
        headers: fields,
        expect: { lastSubjectSequence: of.after, streamName: of.stream },
        timeout: PROCESS_LIMITS.storeTimeoutMs,
      });
      return { kind: 'stored', sequence: ack.seq };
    } catch (thrown) {
      if (isConflict(thrown)) return { kind: 'refused' };
      if (isTooLarge(thrown)) return { kind: 'too-large', limitBytes: of.body.length - 1 };
      return { kind: 'unavailable', message: describeApiError(thrown) };
    }
  }

  private async find(stream: string, query: MessageQuery): Promise<FindOutcome> {
    try {
      const message = await readStored(this.jsm, stream, query);
      return message === undefined ? { kind: 'none' } : { kind: 'found', message };
    } catch (thrown) {
      return { kind: 'unavailable', message: describeApiError(thrown) };
    }
  }
}

type FindOutcome =
  | { readonly kind: 'found'; readonly message: StoredMsg }
  | { readonly kind: 'none' }
  | { readonly kind: 'unavailable'; readonly message: string };
