import type { GenerateChunk, StoredChunk, TaskId, TenantId } from '@llmos/base';
import { encodeJson, systemTimers } from '@llmos/base';
import type { ChunkEnd } from './chunk-writer';
import { ChunkPace } from './chunk-pace';
import { ChunkWriter } from './chunk-writer';
import { PROCESS_LIMITS } from './limits';
import type { Pause } from './pause';
import { createPause } from './pause';
import type { PutOutcome, TaskStore } from './ports/task-store';

/** One stream subject, as JetStream keeps it. */
class FakeStream {
  readonly chunks: StoredChunk[] = [];
  puts = 0;
  /** The next put is stored, but its acknowledgement is lost. */
  loseNextAck = false;

  append(attempt: number, chunk: GenerateChunk): number {
    const sequence = this.lastSequence() + 3;
    this.chunks.push({ sequence, attempt, chunk });
    return sequence;
  }

  lastSequence(): number {
    return this.chunks.at(-1)?.sequence ?? 0;
  }

  tokens(): number[] {
    return this.chunks.flatMap((stored) => stored.chunk?.tokens ?? []);
  }

  store(): TaskStore {
    return {
      maxBodyBytes: 1e6,
      readBody: async () => ({ kind: 'gone' }),
      putResult: async () => ({ kind: 'refused' }),
      readResult: async () => ({ kind: 'none' }),
      encodeError: (error) => encodeJson(error),
      putChunk: async (of, chunk, after): Promise<PutOutcome> => {
        this.puts += 1;
        if (after !== this.lastSequence()) return { kind: 'refused' };
        const sequence = this.append(of.attempt, chunk);
        if (!this.loseNextAck) return { kind: 'stored', sequence };
        this.loseNextAck = false;
        return { kind: 'unavailable', message: 'timeout' };
      },
      readChunks: async (_of, after) => ({
        kind: 'read',
        chunks: this.chunks.filter((stored) => stored.sequence > after),
        lastSequence: this.lastSequence(),
        hasMore: false,
      }),
    };
  }
}

interface WriterOptions {
  readonly attempt?: number;
  readonly broken?: Partial<TaskStore>;
  readonly pace?: ChunkPace;
  readonly pause?: Pause;
}

function createWriter(stream: FakeStream, options: WriterOptions = {}) {
  const ends: ChunkEnd[] = [];
  let firsts = 0;
  const abort = new AbortController();
  const writer = new ChunkWriter({
    store: { ...stream.store(), ...options.broken },
    ref: { tenant: 'acme' as TenantId, task: 'a' as TaskId, attempt: options.attempt ?? 1 },
    pause: options.pause ?? createPause(systemTimers),
    signal: abort.signal,
    pace: options.pace ?? new ChunkPace(0),
    onEnd: (end) => {
      ends.push(end);
      abort.abort('REPLACED');
    },
    onFirstToken: () => (firsts += 1),
  });
  return { writer, ends, firsts: () => firsts };
}

/** Turns of the event loop until the condition holds, at most a thousand. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !condition(); turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(condition()).toBe(true);
}
const token = (index: number): GenerateChunk => ({ index, text: `t${index}`, tokens: [index] });

describe('chunk writer', () => {
  it('stores every token once and in order, with few messages when they come fast', async () => {
    const stream = new FakeStream();
    const { writer } = createWriter(stream);
    await writer.open();
    for (let index = 0; index < 50; index += 1) writer.emit(token(index));
    await writer.flush();
    expect(stream.tokens()).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect(stream.puts).toBeLessThan(5);
  });

  it('goes on after the tokens of an earlier attempt', async () => {
    const stream = new FakeStream();
    stream.append(1, token(0));
    stream.append(1, token(1));
    const { writer } = createWriter(stream, { attempt: 2 });
    await writer.open();
    expect(writer.resumeTokens).toEqual([0, 1]);
    writer.emit(token(2));
    await writer.flush();
    expect(stream.tokens()).toEqual([0, 1, 2]);
  });

  it('ends for good where a stream holds more chunks than a generation can have', async () => {
    const garbage = { attempt: 1, chunk: undefined };
    const { writer, ends } = createWriter(new FakeStream(), {
      attempt: 2,
      broken: {
        readChunks: async (_of, after) => {
          const chunks = Array.from({ length: PROCESS_LIMITS.chunkPage }, (_, index) => ({
            sequence: after + 1 + index,
            ...garbage,
          }));
          return { kind: 'read', chunks, lastSequence: after + chunks.length, hasMore: true };
        },
      },
    });
    await writer.open();
    const error = { code: 'FAILED_PRECONDITION', retryable: false };
    expect(ends).toMatchObject([{ kind: 'failed', error }]);
  });

  it('ends for good where they have more tokens than a generation can have', async () => {
    const tokens = new Array<number>(300_000).fill(1);
    let reads = 0;
    const { writer, ends } = createWriter(new FakeStream(), {
      attempt: 2,
      broken: {
        readChunks: async (_of, after) => {
          if ((reads += 1) > 10) return { kind: 'unavailable', message: 'it should have ended' };
          const chunk = { index: after * tokens.length, text: '', tokens };
          const chunks = [{ sequence: after + 1, attempt: 1, chunk }];
          return { kind: 'read', chunks, lastSequence: after + 1, hasMore: reads < 10 };
        },
      },
    });
    await writer.open();
    expect(reads).toBe(4);
    expect(ends).toMatchObject([{ kind: 'failed', error: { code: 'FAILED_PRECONDITION' } }]);
  });

  it('stops when an attempt that replaced it has streamed', async () => {
    const stream = new FakeStream();
    const { writer, ends } = createWriter(stream, { attempt: 1 });
    await writer.open();
    writer.emit(token(0));
    await writer.flush();
    stream.append(2, token(1));
    writer.emit(token(1));
    expect(await writer.flush()).toEqual({ kind: 'replaced' });
    expect(ends).toHaveLength(1);
    expect(stream.tokens()).toEqual([0, 1]);
  });

  it('skips what a replaced attempt streamed after it took over', async () => {
    const stream = new FakeStream();
    const { writer, ends } = createWriter(stream, { attempt: 2 });
    await writer.open();
    stream.append(1, token(0));
    writer.emit(token(0));
    writer.emit(token(1));
    await writer.flush();
    expect(stream.tokens()).toEqual([0, 1]);
    expect(ends).toEqual([]);
  });

  it('does not store a chunk twice when its acknowledgement is lost', async () => {
    const stream = new FakeStream();
    const { writer } = createWriter(stream);
    await writer.open();
    stream.loseNextAck = true;
    writer.emit(token(0));
    await writer.flush();
    writer.emit({ ...token(1), finishReason: 'stop' });
    await writer.flush();
    expect(stream.tokens()).toEqual([0, 1]);
  });

  it('stores the closing chunk without tokens once, and drops a piece that says nothing', async () => {
    const stream = new FakeStream();
    const { writer, ends } = createWriter(stream);
    await writer.open();
    writer.emit({ index: 0, text: '', tokens: [] });
    await writer.flush();
    writer.emit(token(0));
    writer.emit({ index: 1, text: '', tokens: [], finishReason: 'stop' });
    await writer.flush();
    expect(stream.chunks.at(-1)?.chunk?.finishReason).toBe('stop');
    expect([stream.tokens(), stream.puts, ends]).toEqual([[0], 1, []]);
  });

  it('ends the attempt, not the program, where the store breaks its promise not to throw', async () => {
    const stream = new FakeStream();
    const { writer, ends } = createWriter(stream, {
      broken: { putChunk: () => Promise.reject(new Error('a defect')) },
    });
    await writer.open();
    writer.emit(token(0));
    const end = { kind: 'failed', error: { code: 'INTERNAL', message: 'a defect' } };
    expect(await writer.flush()).toMatchObject(end);
    expect(ends).toHaveLength(1);
  });

  it('fails, rather than cut text, where another attempt streamed half of a piece', async () => {
    const stream = new FakeStream();
    const { writer } = createWriter(stream, { attempt: 2 });
    await writer.open();
    stream.append(1, token(0));
    writer.emit({ index: 0, text: 'ab', tokens: [0, 1] });
    expect(await writer.flush()).toMatchObject({ kind: 'failed', error: { code: 'ABORTED' } });
  });

  it('joins what waits while the store is away, and stores every token when it is back', async () => {
    const stream = new FakeStream();
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const store = stream.store();
    const { writer, ends } = createWriter(stream, {
      broken: {
        putChunk: async (...put) => {
          await opened;
          return store.putChunk(...put);
        },
      },
    });
    await writer.open();
    const count = 20 * PROCESS_LIMITS.maxPendingPieces;
    for (let index = 0; index < count; index += 1) writer.emit(token(index));
    await Promise.resolve();
    for (let index = count; index < 2 * count; index += 1) writer.emit(token(index));
    expect(writer.waitingPieces).toBeLessThan(3 * PROCESS_LIMITS.maxPendingPieces);
    open();
    await writer.flush();
    expect(stream.tokens()).toEqual(Array.from({ length: 2 * count }, (_, index) => index));
    expect(ends).toEqual([]);
  });

  it('stores the first token at once, and what comes during the wait in one chunk', async () => {
    const stream = new FakeStream();
    const waits: number[] = [];
    let end: () => void = () => undefined;
    const pause: Pause = (waitMs, signal) => {
      waits.push(waitMs);
      return new Promise((resolve) => {
        end = resolve;
        signal.addEventListener('abort', () => resolve());
      });
    };
    const { writer } = createWriter(stream, { pace: new ChunkPace(7), pause });
    await writer.open();
    writer.emit(token(0));
    await until(() => waits.length === 1);
    expect(stream.tokens()).toEqual([0]);
    for (let index = 1; index < 5; index += 1) writer.emit(token(index));
    end();
    await until(() => waits.length === 2);
    expect([stream.tokens(), stream.puts]).toEqual([[0, 1, 2, 3, 4], 2]);
    writer.emit({ ...token(5), finishReason: 'stop' });
    await until(() => stream.puts === 3);
    await writer.flush();
    expect(waits).toEqual([7, 7]);
  });

  it('tells once of the first token of a stream, when it is stored', async () => {
    const stream = new FakeStream();
    const { writer, firsts } = createWriter(stream);
    await writer.open();
    writer.emit(token(0));
    expect(firsts()).toBe(0);
    await writer.flush();
    writer.emit(token(1));
    await writer.flush();
    expect(firsts()).toBe(1);
  });

  it('tells of a first token whose acknowledgement was lost', async () => {
    const stream = new FakeStream();
    stream.loseNextAck = true;
    const { writer, firsts } = createWriter(stream, { pause: async () => undefined });
    await writer.open();
    writer.emit(token(0));
    await writer.flush();
    expect([stream.tokens(), firsts()]).toEqual([[0], 1]);
  });

  it('tells of no first token where there is none, or another attempt stored it', async () => {
    const empty = createWriter(new FakeStream());
    await empty.writer.open();
    empty.writer.emit({ index: 0, text: '', tokens: [], finishReason: 'stop' });
    await empty.writer.flush();

    const resumed = new FakeStream();
    resumed.append(1, token(0));
    const second = createWriter(resumed, { attempt: 2 });
    await second.writer.open();
    second.writer.emit(token(1));
    await second.writer.flush();

    // The one before it still lives, and was faster.
    const contested = new FakeStream();
    const late = createWriter(contested, { attempt: 2 });
    await late.writer.open();
    contested.append(1, token(0));
    late.writer.emit(token(0));
    late.writer.emit(token(1));
    await late.writer.flush();
    expect(contested.tokens()).toEqual([0, 1]);
    expect([empty.firsts(), second.firsts(), late.firsts()]).toEqual([0, 0, 0]);
  });

  it('does not wait where it is flushed', async () => {
    const stream = new FakeStream();
    const never: Pause = (_waitMs, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    const { writer } = createWriter(stream, { pace: new ChunkPace(7), pause: never });
    await writer.open();
    writer.emit(token(0));
    await until(() => stream.puts === 1);
    writer.emit(token(1));
    await writer.flush();
    expect(stream.tokens()).toEqual([0, 1]);
  });
});
