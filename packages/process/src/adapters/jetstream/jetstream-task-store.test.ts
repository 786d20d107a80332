import type { TaskId, TenantId } from '@llmos/base';
import { encodeChunk } from '@llmos/base';
import { NatsError } from '@llmos/wire';
import type { NatsConnection } from '@llmos/wire';
import { ChunkPace } from '../../chunk-pace';
import type { ChunkEnd } from '../../chunk-writer';
import { ChunkWriter } from '../../chunk-writer';
import { PROCESS_LIMITS } from '../../limits';
import { createTaskStore } from './jetstream-task-store';

interface Query {
  readonly seq?: number;
  readonly last_by_subj?: string;
}

/** A connection to a stream that holds one token in each of so many chunks; every third message. */
function streamOf(chunkCount: number, of: (index: number) => Uint8Array) {
  const asked = { requests: 0 };
  const getMessage = async (_stream: string, query: Query): Promise<object> => {
    asked.requests += 1;
    const from = query.seq ?? Infinity;
    const index =
      query.last_by_subj === undefined ? Math.max(0, Math.ceil(from / 3) - 1) : chunkCount - 1;
    if (index >= chunkCount || chunkCount === 0) throw notFound();
    return { seq: 3 * (index + 1), data: of(index), subject: 'any' };
  };
  const connection = {
    jetstreamManager: async () => ({ streams: { getMessage } }),
    jetstream: () => ({}),
  };
  return { connection: connection as unknown as NatsConnection, asked };
}

function notFound(): NatsError {
  const error = new NatsError('no message found', '404');
  error.api_error = { code: 404, err_code: 10037, description: 'no message found' };
  return error;
}

const oneToken = (index: number): Uint8Array =>
  encodeChunk({ index, text: 't', tokens: [index % 7] });

/** A writer that gives up where the store says a few times that it is unavailable. */
async function openWriter(connection: NatsConnection) {
  const ends: ChunkEnd[] = [];
  const abort = new AbortController();
  let pauses = 0;
  const writer = new ChunkWriter({
    store: await createTaskStore(connection),
    ref: { tenant: 'acme' as TenantId, task: 'a' as TaskId, attempt: 2 },
    pause: async () => {
      pauses += 1;
      if (pauses > 3) abort.abort('DEADLINE_EXCEEDED');
    },
    signal: abort.signal,
    pace: new ChunkPace(0),
    onEnd: (end) => {
      ends.push(end);
      abort.abort('REPLACED');
    },
  });
  await writer.open();
  return { writer, ends, pauses: () => pauses };
}

describe('the chunks of an earlier attempt', () => {
  it('are resumed after however many a generation can have', async () => {
    const { connection, asked } = streamOf(100_003, oneToken);
    const { writer, ends, pauses } = await openWriter(connection);
    expect([ends, pauses()]).toEqual([[], 0]);
    expect(writer.resumeTokens).toHaveLength(100_003);
    // Each is read once.
    expect(asked.requests).toBeLessThan(101_000);
  });

  it('are none in an empty stream', async () => {
    const { connection } = streamOf(0, oneToken);
    const { writer, ends } = await openWriter(connection);
    expect([writer.resumeTokens, ends]).toEqual([[], []]);
  });
});

it('a page of stored chunks ends at a bounded number, or size, and the next one goes on', async () => {
  const of = { tenant: 'acme' as TenantId, task: 'a' as TaskId, attempt: 2 };
  const { chunkPage, chunkPageBytes } = PROCESS_LIMITS;
  const small = await createTaskStore(streamOf(chunkPage + 5, oneToken).connection);
  const text = 'x'.repeat(chunkPageBytes * 0.4);
  const large = await createTaskStore(
    streamOf(8, (index) => encodeChunk({ index, text, tokens: [1] })).connection,
  );
  const pages = [
    { store: small, after: 0, count: chunkPage, hasMore: true },
    { store: small, after: 3 * chunkPage, count: 5, hasMore: false },
    { store: large, after: 0, count: 3, hasMore: true },
    { store: large, after: 9, count: 3, hasMore: true },
    { store: large, after: 18, count: 2, hasMore: false },
  ];
  for (const { store, after, count, hasMore } of pages) {
    const read = await store.readChunks(of, after);
    expect(read).toMatchObject({ kind: 'read', lastSequence: after + 3 * count, hasMore });
    expect(read.kind === 'read' && read.chunks).toHaveLength(count);
  }
});
