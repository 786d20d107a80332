import type { FunctionName, ProcessContexts } from '@llmos/base';
import { asTarget, asToken } from '@llmos/base';
import { CoreFixture, modelOf } from '../core-fixture';
import type { ProcessAddress } from '../kernel-decision';
import { CORE_LIMITS } from '../limits';
import type { TaskSpec } from '../tasks/task-spec';
import { OTHER_MODELS } from './model-loads';

const idle = { queued: 0, running: 0, permits: 0, permitsInUse: 0, rows: 0, rowsInUse: 0 };

function embed(fixture: CoreFixture, name: string): TaskSpec {
  const of = asToken<FunctionName>('embed');
  return fixture.task({ function: of, model: { name, version: '1' } });
}

function beat(fixture: CoreFixture, to: ProcessAddress, contexts: Partial<ProcessContexts>): void {
  const none = { running: 0, waiting: 0, saved: 0, rowBytes: 0, savedBytes: 0, prefixBytes: 0 };
  const of = { pid: to.pid, incarnation: to.incarnation, contexts: { ...none, ...contexts } };
  const heartbeat = { freeMemoryBytes: 1, contexts: [of] };
  fixture.apply({
    ...{ kind: 'node-heartbeat', nodeId: to.nodeId, session: `${to.nodeId}-1` },
    ...heartbeat,
  });
}

it('counts what waits for a model and runs in it', () => {
  const fixture = new CoreFixture().attachNode().knowModels();
  expect(fixture.core.models()).toEqual([]);
  fixture.store(fixture.task(), fixture.task(), fixture.task());
  expect(fixture.core.models()).toEqual([{ ...idle, model: 'echo', queued: 3 }]);
  fixture.startAll(2);
  const [first] = fixture.take('execute');
  const busy = { model: 'echo', queued: 1, running: 2, permits: 2, permitsInUse: 2 };
  expect(fixture.core.models()).toEqual([{ ...idle, ...busy }]);
  if (first !== undefined) fixture.finish(first);
  expect(fixture.core.models()).toMatchObject([{ queued: 0, running: 2 }]);
});

it('sums the rows of generations, as far as their nodes tell them', () => {
  const fixture = new CoreFixture().attachNode().knowModels();
  fixture.store(fixture.task());
  const [to] = fixture.startAll();
  if (to === undefined) throw new Error('nothing started');
  beat(fixture, to, { running: 3 });
  expect(fixture.core.models()).toMatchObject([{ rows: 0, rowsInUse: 0 }]);
  beat(fixture, to, { running: 3, maxRows: 4 });
  expect(fixture.core.models()).toMatchObject([{ rows: 4, rowsInUse: 3 }]);
  // What a node claims is no share above all.
  beat(fixture, to, { running: 9, maxRows: 4 });
  expect(fixture.core.models()).toMatchObject([{ rows: 4, rowsInUse: 4 }]);
  // Nothing of it is left, and its task is not in line yet.
  fixture.crash(to);
  expect(fixture.core.models()).toEqual([]);
});

it('forgets a model that was removed, and knows it again', () => {
  const fixture = new CoreFixture().attachNode().knowModels(modelOf('mini'));
  fixture.store(embed(fixture, 'mini'));
  const [to] = fixture.startAll();
  const [run] = fixture.take('execute');
  expect(fixture.core.models()).toMatchObject([{ model: 'mini@1', running: 1 }]);
  fixture.knowModels();
  // What runs may end.
  expect(fixture.core.models()).toMatchObject([{ model: 'mini@1', running: 1, permits: 0 }]);
  if (run !== undefined) fixture.finish(run);
  if (to === undefined) throw new Error('nothing started');
  fixture.report(
    to,
    { kind: 'exited', reason: 'stopped', message: '', isRetryable: true },
    asTarget('mini@1'),
  );
  expect(fixture.core.models()).toEqual([]);
  fixture.knowModels(modelOf('mini'));
  expect(fixture.core.models()).toEqual([]);
  fixture.store(embed(fixture, 'mini'));
  expect(fixture.core.models()).toMatchObject([{ model: 'mini@1', queued: 1 }]);
});

it('has few rows, however many models: the busiest, and one for the rest', () => {
  const most = CORE_LIMITS.maxModelRows;
  const names = Array.from({ length: 10_000 }, (_, index) => `m${index}`);
  const fixture = new CoreFixture();
  // The fixture looks at every task after each event.
  const { core } = fixture;
  const now = { nowMs: 0, wallMs: 1_800_000_000_000 };
  core.apply({ kind: 'models-changed', models: names.map((name) => modelOf(name)) }, now);
  const tasks = [...names, 'm9999', 'm9999', 'm5000'].map((name, index) => ({
    ...embed(fixture, name),
    sequence: index + 1,
  }));
  for (const spec of tasks) core.apply({ kind: 'task-stored', spec }, now);
  core.plan(now);
  const loads = core.models();
  expect(loads).toHaveLength(most + 1);
  expect(loads.slice(0, 3)).toMatchObject([
    { model: 'm9999@1', queued: 3 },
    { model: 'm5000@1', queued: 2 },
    { model: 'm0@1', queued: 1 },
  ]);
  expect(loads.at(-1)).toEqual({ ...idle, model: OTHER_MODELS, queued: 10_000 - most });
  expect(loads.reduce((sum, load) => sum + load.queued, 0)).toBe(tasks.length);
});
