/** The store path of the leader, TaskRecords through StoreLanes, on a real server. */
import {
  BUCKETS,
  STREAMS,
  asToken,
  encodeJson,
  patterns,
  silentLogger,
  subjects,
} from '@llmos/base';
import type { FunctionName, TaskId, TenantId } from '@llmos/base';
import { systemTimers } from '@llmos/base';
import { ResultReads, StoreLanes, TaskRecords, silentCounters } from '@llmos/kernel/testing';
import type { TaskSpec } from '@llmos/kernel/testing';
import { closeLink } from '@llmos/wire';
import { StringCodec } from 'nats';
import type { JetStreamClient, JetStreamManager, NatsConnection } from 'nats';
import { openKernelLink } from '../support/kernel-link';
import type { TestNatsServer } from '../support/nats-server';
import { PATIENT, startNatsServer } from '../support/nats-server';
import { publishUnreadable } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

const text = StringCodec();
const UNKNOWN = { known: { isCommitted: 'unknown', row: 'unknown' }, mayHaveRun: true } as const;

let nats: TestNatsServer;
let connection: NatsConnection;
let manager: JetStreamManager;
let jetstream: JetStreamClient;
let records: TaskRecords;
let lanes: StoreLanes;

beforeAll(async () => {
  nats = await startNatsServer();
  connection = await openKernelLink(nats.url);
  manager = await connection.jetstreamManager(PATIENT);
  jetstream = connection.jetstream(PATIENT);
  const own = { max_msgs_per_subject: 1, allow_direct: true };
  await manager.streams.add({ name: STREAMS.results, subjects: [patterns.results], ...own });
  await manager.streams.add({ name: STREAMS.answers, subjects: [patterns.answers], ...own });
  await manager.streams.add({ name: STREAMS.tasks, subjects: [...patterns.tasks] });
  await manager.streams.add({ name: STREAMS.dead, subjects: ['llmos.v1.dead.*.*'] });
  await jetstream.views.kv(BUCKETS.attempts);
  const nowMs = (): number => performance.now();
  records = new TaskRecords({
    connection,
    manager,
    log: silentLogger,
    reads: new ResultReads({ connection, manager, nowMs }),
    encodeResult: (result) => ({ body: encodeJson(result) }),
  });
});
beforeEach(() => {
  const nowMs = (): number => performance.now();
  const counters = silentCounters;
  const describe = String;
  lanes = new StoreLanes({ log: silentLogger, counters, nowMs, timers: systemTimers, describe });
});
afterEach(() => lanes.end());
afterAll(async () => {
  if (connection !== undefined) await closeLink(connection);
  await nats?.stop();
});

const tenant = asToken<TenantId>('acme');
function specOf(id: string, of: Partial<TaskSpec> = {}): TaskSpec {
  return {
    tenant,
    id: asToken<TaskId>(id),
    hasOwnId: true,
    function: asToken<FunctionName>('echo'),
    class: 'standard',
    priority: 5,
    hasOwnPriority: false,
    sequence: 1_000,
    storedWallMs: 0,
    maxAttempts: 3,
    stream: false,
    format: 'json',
    ...of,
  };
}
const failed = { ok: false, error: { code: 'CANCELLED', retryable: false, message: 'x' } } as const;
const commit = (spec: TaskSpec, as: 'end' | 'refused' | 'early' = 'end') =>
  records.commitResult(lanes, { of: spec, class: spec.class, result: failed, as });
const lookUp = (spec: TaskSpec) => records.lookUp(lanes, spec, UNKNOWN);
const storedAt = async (stream: string, subject: string): Promise<string> => {
  const stored = await manager.streams.getMessage(stream, { last_by_subj: subject });
  return text.decode(stored.data);
};
const resultSubject = (id: string): string => subjects.result({ tenant, task: asToken(id) });
const answerSubject = (id: string): string => subjects.answer({ tenant, task: asToken(id) });
const attemptKey = (id: string): string => `$KV.${BUCKETS.attempts}.acme.${id}`;

describe('a result', () => {
  it('is stored once, however many commit it, and found by the next look-up', async () => {
    const spec = specOf('once-1');
    expect(await lookUp(spec)).toMatchObject({ isCommitted: false, attempts: 0 });
    await jetstream.publish(resultSubject('once-1'), 'of the process');
    await Promise.all(Array.from({ length: 10 }, () => commit(spec)));
    expect(await storedAt(STREAMS.results, resultSubject('once-1'))).toBe('of the process');
    expect(await lookUp(spec)).toMatchObject({ isCommitted: true });
  });

  it('takes the place of a refusal, which was none, and is asked for by its task alone', async () => {
    const spec = specOf('refused-1', { keepMs: 1_000 });
    await commit(specOf('refused-1', { sequence: 900 }), 'refused');
    expect(await lookUp(spec)).toMatchObject({ isCommitted: false });
    await expect(storedAt(STREAMS.answers, answerSubject('refused-1'))).rejects.toThrow(
      'no message',
    );
    await commit(specOf('refused-2', { sequence: 900 }), 'refused');
    await commit(specOf('refused-2', { keepMs: 1_000 }));
    expect(await storedAt(STREAMS.answers, answerSubject('refused-2'))).toContain('CANCELLED');
  });

  it.each([
    ['end', undefined],
    ['end', 1_000],
    ['refused', 1_000],
  ] as const)('says whose the one is that was there first (%s, kept %s ms)', async (as, keepMs) => {
    const kept = { digest: 'AAAAAAAAAAA', ...(keepMs === undefined ? {} : { keepMs }) };
    const first = specOf(`first-${as}-${keepMs}`, kept);
    expect(await commit(first)).toBeUndefined();
    expect(await commit(first, as)).toBeUndefined();
    const other = { ...first, digest: 'BBBBBBBBBBB' };
    expect(await commit(other, as)).toEqual({ function: 'echo', digest: first.digest });
    expect(await commit(other, 'early')).toBeUndefined();
  });

  it('that has headers nobody can read, or none of ours, is a result all the same', async () => {
    await publishUnreadable({ url: nats.url, subject: resultSubject('bad-1'), body: 'x' });
    await waitFor(() => storedAt(STREAMS.results, resultSubject('bad-1')), { what: 'it' });
    const spec = specOf('bad-1');
    expect(await lookUp(spec)).toMatchObject({ isCommitted: true });
    await commit(spec);
    expect(await storedAt(STREAMS.results, resultSubject('bad-1'))).toBe('x');
  });
});

describe('the attempts of a task', () => {
  const row = { attempt: 2, uncounted: 1, isApart: true, failures: [] };

  it('are what was recorded last, until they are forgotten', async () => {
    const spec = specOf('tried-1');
    await records.recordAttempt(lanes, spec, row);
    expect(await lookUp(spec)).toMatchObject({ attempts: 2, uncounted: 1, isApart: true });
    records.forgetAttempts({ tenant, task: spec.id });
    await waitFor(async () => (await lookUp(spec)).attempts === 0, { what: 'the row to be gone' });
  });

  it.each([
    ['no JSON', Buffer.from([0xff, 0xfe])],
    ['nested deeply', Buffer.from('['.repeat(20_000))],
    ['of another shape', encodeJson([1, 2])],
    ['a number beyond all', encodeJson({ ...row, attempt: 1e308 })],
    ['too large', encodeJson({ ...row, failures: ['x'.repeat(100_000)] })],
  ])('are none where the row is %s', async (_what, bytes) => {
    await jetstream.publish(attemptKey('odd-1'), bytes);
    expect(await lookUp(specOf('odd-1'))).toMatchObject({ isCommitted: false, attempts: 0 });
  });

  it('are none where the headers of the row can’t be read', async () => {
    await publishUnreadable({ url: nats.url, subject: attemptKey('odd-2'), body: '{' });
    expect(await lookUp(specOf('odd-2'))).toMatchObject({ isCommitted: false, attempts: 0 });
  });
});

describe('a dead letter', () => {
  const letterOf = (spec: TaskSpec) => ({
    spec,
    reason: 'gave up\r\nInjected: yes',
    attempts: 3,
    lastError: { code: 'INTERNAL', retryable: false, message: 'a\r\nb \u{1F608}' } as const,
    failures: [],
  });
  const last = async () =>
    manager.streams.getMessage(STREAMS.dead, { last_by_subj: 'llmos.v1.dead.acme.echo' });

  it('carries the message, and no header that somebody wrote into an error', async () => {
    const { seq } = await jetstream.publish('llmos.v1.task.standard.acme.echo', 'the body');
    await records.storeDeadLetter(lanes, letterOf(specOf('dead-1', { sequence: seq })));
    const stored = await last();
    expect(text.decode(stored.data)).toBe('the body');
    expect([...stored.header.keys()]).not.toContain('Injected');
    expect(stored.header.get('Llmos-Attempts')).toBe('3');
  });

  it('is stored without a body where the message is gone, or can’t be read', async () => {
    await records.storeDeadLetter(lanes, letterOf(specOf('dead-2', { sequence: 999_999 })));
    expect((await last()).data).toHaveLength(0);
    const subject = 'llmos.v1.task.standard.acme.echo';
    await publishUnreadable({ url: nats.url, subject, body: 'hostile' });
    const { state } = await manager.streams.info(STREAMS.tasks);
    const spec = specOf('dead-3', { sequence: state.last_seq });
    await records.storeDeadLetter(lanes, letterOf(spec));
    expect((await last()).header.get('Llmos-Attempts')).toBe('3');
  });
});

it('stores everything in the end where the server was away, and what was asked before', async () => {
  await nats.kill();
  const specs = Array.from({ length: 20 }, (_, n) => specOf(`away-${n}`));
  const commits = specs.map((spec) => commit(spec));
  await nats.restart();
  await Promise.all(commits);
  const found = await Promise.all(specs.map((spec) => lookUp(spec)));
  expect(found.every(({ isCommitted }) => isCommitted)).toBe(true);
});
