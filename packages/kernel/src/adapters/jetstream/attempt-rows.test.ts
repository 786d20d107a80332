import { encodeJson, silentLogger } from '@llmos/base';
import { HARDLY_ANY_BYTES, heldBytesOf } from '@llmos/base/testing';
import type { JetStreamManager, NatsConnection } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { CORE_LIMITS } from '../../limits';
import type { TaskSpec } from '../../tasks/task-spec';
import { ATTEMPTS_STREAM, RowReader } from './attempt-rows';
import { BacklogReads } from './backlog-reads';
import type { ResultReads } from './result-reads';

const SUBJECT = '$KV.llmos_attempts.acme.t1';

/** As a kernel writes one, with messages of this length. */
function rowOf(messageChars: number): Uint8Array {
  const message = 'x'.repeat(messageChars);
  return encodeJson({ attempt: 2, failures: [{ attempt: 1, code: 'INTERNAL', message }] });
}

it('cuts the messages of a row as the core does, and holds nothing of the rest', async () => {
  const reader = new RowReader(silentLogger);
  const { maxFailureChars } = CORE_LIMITS;
  const message = `${'x'.repeat(maxFailureChars)}…`;
  const row = reader.read(SUBJECT, rowOf(10_000));
  expect(row).toMatchObject({ attempt: 2, failures: [{ attempt: 1, code: 'INTERNAL', message }] });
  expect(reader.read(SUBJECT, encodeJson(row))).toEqual(row);
  const large = rowOf(EDGE_LIMITS.maxAttemptRowBytes - 1_000);
  expect(await heldBytesOf(() => reader.read(SUBJECT, large))).toBeLessThan(HARDLY_ANY_BYTES / 10);
});

it('ignores a row that is larger than any has to be, and says so once', () => {
  const warn = jest.fn();
  const reader = new RowReader({ ...silentLogger, warn });
  const limitBytes = EDGE_LIMITS.maxAttemptRowBytes;
  const padding = limitBytes - rowOf(0).length;
  expect(reader.read(SUBJECT, rowOf(padding))).toMatchObject({ attempt: 2 });
  expect(warn).not.toHaveBeenCalled();
  expect(reader.read(SUBJECT, rowOf(padding + 1))).toBeUndefined();
  expect(reader.read(SUBJECT, rowOf(1_000_000))).toBeUndefined();
  expect(warn.mock.calls).toEqual([
    ['attempt-row-refused', { subject: SUBJECT, bytes: limitBytes + 1, limitBytes }],
  ]);
});

it.each([
  ['reads the rows of a backlog at once', EDGE_LIMITS.maxWalkedRowBytes, undefined],
  [
    'asks for each row where they have too many bytes',
    EDGE_LIMITS.maxWalkedRowBytes + 1,
    'unknown',
  ],
] as const)('%s', async (_name, bytes, row) => {
  const stateOf = (stream: string) =>
    // Results are not worth reading, so that only the rows are.
    stream === ATTEMPTS_STREAM ? { messages: 3, bytes } : { messages: 1, bytes: 1 };
  const reads = new BacklogReads({
    connection: {
      subscribe: () => ({ unsubscribe: () => undefined }),
    } as unknown as NatsConnection,
    manager: {
      streams: { info: (stream: string) => Promise.resolve({ state: stateOf(stream) }) },
      consumers: { add: () => Promise.resolve({ num_pending: 0 }) },
    } as unknown as JetStreamManager,
    log: silentLogger,
    reads: {} as ResultReads,
    waiting: 0,
  });
  reads.begin();
  const spec = { tenant: 'acme', id: 't1', class: 'batch' } as TaskSpec;
  expect(await reads.of(spec)).toMatchObject({ row });
  reads.end();
});
