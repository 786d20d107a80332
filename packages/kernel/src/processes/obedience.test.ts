import { CoreFixture } from '../core-fixture';
import type { ProcessAddress } from '../kernel-decision';
import { CORE_LIMITS } from '../limits';

const EPOCH = 7;

/** A leader with one process that runs nothing. */
function setUp(): { readonly core: CoreFixture; readonly to: ProcessAddress } {
  const core = new CoreFixture({}, EPOCH).knowModels().attachNode();
  core.store(core.task());
  const [to] = core.startAll();
  if (to === undefined) throw new Error('nothing was started');
  core.finish(core.only('execute')).settle();
  core.take('announce');
  return { core, to };
}

const row = (core: CoreFixture, to: ProcessAddress) =>
  core.core.processes(core.now()).find(({ pid }) => pid === to.pid);

function beats(core: CoreFixture, to: ProcessAddress, of: { epoch: number; count: number }): void {
  for (let n = 0; n < of.count; n += 1) core.advance(1_000).obey(to, of.epoch);
}

it('tells a process that obeys another epoch of its leader, and replaces one that goes on', () => {
  const { core, to } = setUp();
  beats(core, to, { epoch: 99, count: 2 });
  expect(core.take('greet-process').map((greeting) => greeting.to)).toEqual([to, to]);
  expect(row(core, to)).toMatchObject({
    state: 'ready',
    reason: expect.stringContaining('epoch 99') as string,
  });
  beats(core, to, { epoch: 99, count: CORE_LIMITS.deafMs / 1_000 });
  expect(core.take('stop-process')[0]?.to).toEqual(to);
  expect(row(core, to)).toMatchObject({ state: 'draining', reason: 'refuses-leader' });
  const said = core.take('announce').map(({ fact }) => fact);
  const refuses = { kind: 'process-refuses-leader', obeys: 99 };
  expect(said).toContainEqual(expect.objectContaining(refuses));
});

it('lets a process be that has only just heard of its leader', () => {
  const { core, to } = setUp();
  beats(core, to, { epoch: 3, count: 9 });
  beats(core, to, { epoch: EPOCH, count: 1 });
  beats(core, to, { epoch: 3, count: 9 });
  expect(core.take('stop-process')).toEqual([]);
});

it('judges nobody by a few heartbeats after a long silence', () => {
  const { core, to } = setUp();
  core
    .obey(to, 3)
    .advance(2 * CORE_LIMITS.deafMs)
    .obey(to, 3);
  expect(core.take('stop-process')).toEqual([]);
});

it('does not blame the tasks of a process that refuses its leader', () => {
  const { core, to } = setUp();
  core.store(core.task());
  core.accept(core.only('execute'));
  beats(core, to, { epoch: 99, count: 1 + CORE_LIMITS.deafMs / 1_000 });
  expect(core.take('stop-process')[0]?.to).toEqual(to);
  core.take('execute');
  core.report(to, { kind: 'exited', reason: 'stopped', message: '', isRetryable: true });
  const { attempt, ...record } = core.only('record-attempt');
  expect(record).toMatchObject({ uncounted: 1, isApart: false, failures: [] });
  core.apply({ kind: 'attempt-recorded', sequence: 2, attempt });
  const [next] = core.startAll();
  expect(core.only('execute')).toMatchObject({ to: next, attempt, spec: { sequence: 2 } });
});

it('counts what processes refused once, whatever a report claims', () => {
  const { core, to } = setUp();
  core.obey(to, EPOCH, 3).obey(to, EPOCH, 3).obey(to, EPOCH, 4).obey(to, EPOCH, Number.NaN);
  expect(core.core.counts().foreignMessages).toBe(4);
  expect(
    core.take('announce').filter(({ fact }) => fact.kind === 'process-foreign-epoch'),
  ).toHaveLength(2);
});
