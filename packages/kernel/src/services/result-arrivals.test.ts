import type { TaskId, TenantId, TenantTask } from '@llmos/base';
import { STREAMS, silentLogger } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import { EDGE_LIMITS } from '../edge-limits';
import type { ResultListener, ResultNotice, StoredResult } from '../ports/result-store';
import { ResultArrivals } from './result-arrivals';
import type { WaitOutcome } from './result-waiters';

const stored: StoredResult = { body: new Uint8Array([1]), format: 'json' };

async function setUp() {
  let listener: ResultListener | undefined;
  const reads: { readonly of: TenantTask; readonly answer: () => void }[] = [];
  const heard: string[] = [];
  const arrivals = new ResultArrivals({
    results: {
      watch: (each) => {
        listener = each;
        return Promise.resolve();
      },
      read: () => Promise.resolve(undefined),
      readNoticed: (of) =>
        new Promise((resolve) => reads.push({ of, answer: () => resolve(stored) })),
    },
    clock: manualClock(),
    log: silentLogger,
    onCommitted: ({ task }) => void heard.push(task),
  });
  await arrivals.watch();
  const of = (task: string, tenant = 'acme'): TenantTask => ({
    tenant: tenant as TenantId,
    task: task as TaskId,
  });
  const outcomes: string[] = [];
  const wait = (task: TenantTask): void => {
    const settle = ({ kind }: WaitOutcome): void => void outcomes.push(`${task.task} ${kind}`);
    arrivals.calls.add({ of: task, untilMs: Infinity, settle });
  };
  const commit = (task: TenantTask, body?: Uint8Array): void => {
    const notice: ResultNotice = {
      format: 'json',
      place: { stream: STREAMS.answers, sequence: 1 },
      bodyBytes: 100,
      ...(body === undefined ? {} : { body }),
    };
    listener?.onCommitted(task, notice);
  };
  const wants = (stream: string): boolean => listener?.wantsBodies(stream) ?? false;
  return { arrivals, of, wait, commit, wants, reads, heard, outcomes };
}

it('hears of each result, and reads the bodies of those alone that somebody waits for', async () => {
  const { of, wait, commit, reads, heard, outcomes } = await setUp();
  wait(of('t1'));
  commit(of('t1'));
  commit(of('t2'));
  expect([reads.map((read) => read.of.task), heard]).toEqual([['t1'], ['t1', 't2']]);
  reads[0]?.answer();
  await new Promise(setImmediate);
  expect(outcomes).toEqual(['t1 result']);
});

it('wants the bodies of one stream while its results are waited for', async () => {
  const { of, wait, commit, wants, reads, outcomes } = await setUp();
  expect(wants(STREAMS.answers)).toBe(false);
  wait(of('t1'));
  commit(of('t1'));
  expect([wants(STREAMS.answers), wants(STREAMS.results)]).toEqual([true, false]);
  wait(of('t2'));
  commit(of('t2'), stored.body);
  expect([reads.length, outcomes]).toEqual([1, ['t2 result']]);
});

it('reads a bounded number at a time, the results of a tenant with few before the rest of many', async () => {
  const { of, wait, commit, reads } = await setUp();
  const most = EDGE_LIMITS.maxTenantNoticedReads;
  const tasks = Array.from({ length: 2 * most }, (_, n) => of(`t${n}`));
  for (const task of [...tasks, of('b', 'other')]) wait(task);
  for (const task of [...tasks, of('b', 'other')]) commit(task);
  expect(reads).toHaveLength(most + 1);
  expect(reads.at(-1)?.of.tenant).toBe('other');
  reads[0]?.answer();
  await new Promise(setImmediate);
  expect(reads).toHaveLength(most + 2);
});
