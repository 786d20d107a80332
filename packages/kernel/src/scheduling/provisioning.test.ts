/** Who gets memory that comes free, and what finding that out costs. */
import { CORE_LIMITS } from '../limits';
import { asTarget } from '@llmos/base';
import type { FunctionName, ProcessId } from '@llmos/base';
import { CoreFixture, modelOf } from '../core-fixture';
import { countedModels } from '../counted-models';
import type { KernelDecision } from '../kernel-decision';
import type { TaskSpec } from '../tasks/task-spec';

type Start = Extract<KernelDecision, { kind: 'start-process' }>;

const MIB = 1024 * 1024;
const embed = (name: string, more: Partial<TaskSpec> = {}): Partial<TaskSpec> => ({
  function: 'embed' as FunctionName,
  model: { name },
  ...more,
});
const keep = (model: string, replicas = 1) =>
  ({ kind: 'spawn-requested', request: { model, replicas } }) as const;

/** Starts what was decided. */
function startAll(core: CoreFixture): Start[] {
  const starts = core.take('start-process');
  for (const { to, target, device, reservedBytes: footprintBytes } of starts) {
    core.report(to, { kind: 'ready', osPid: 1, permits: 2, footprintBytes, device }, target);
  }
  return starts;
}

function exit(core: CoreFixture, of: { readonly to: Start['to'] }): void {
  const report = { kind: 'exited', reason: 'stopped', message: '', isRetryable: true } as const;
  core.report(of.to, report);
}

/** Of a node of 270 MiB beside its headroom, where 100 MiB are kept. */
function fullNode(): { readonly core: CoreFixture; readonly kept: Start } {
  const core = new CoreFixture();
  core.knowModels(modelOf('kept'), modelOf('first', { mib: 250 }), modelOf('second', { mib: 250 }));
  core.attachNode('a', 300).apply(keep('kept'));
  const [kept] = startAll(core);
  if (kept === undefined) throw new Error('the kept model did not start');
  return { core, kept };
}

it('gives memory to who is the most urgent when it comes free, not to whom it was promised', () => {
  const { core, kept } = fullNode();
  const urgent = core.task(embed('first', { priority: 9 }));
  core.store(urgent, core.task(embed('first', { priority: 1 })));
  core.store(core.task(embed('second', { priority: 5 })));
  core.apply(keep('kept', 0), { kind: 'kill-requested', pid: kept.to.pid });
  core.apply({ kind: 'cancel-requested', tenant: urgent.tenant, task: urgent.id });
  exit(core, core.only('stop-process'));
  expect(core.only('start-process').target).toBe('second@1');
});

it('leaves promised memory to the more urgent one, though another would fit already', () => {
  const { core, kept } = fullNode();
  core.apply({ kind: 'model-changed', target: asTarget('small@1'), model: modelOf('small') });
  core.apply(keep('kept', 0), { kind: 'kill-requested', pid: kept.to.pid });
  core.store(core.task(embed('first', { priority: 9 })), core.task(embed('small')));
  expect(core.take('start-process')).toEqual([]);
  exit(core, core.only('stop-process'));
  expect(core.only('start-process').target).toBe('first@1');
});

it('evicts more where what was promised has been taken by one that grew', () => {
  const core = new CoreFixture();
  const spares = ['one', 'two'].map((name) => modelOf(name, { mib: 300 }));
  core.knowModels(modelOf('kept'), modelOf('big', { mib: 450 }), ...spares);
  core.attachNode('a', 1_000).apply(keep('kept'));
  const [kept] = startAll(core);
  for (const name of ['one', 'two']) {
    core.advance(10).store(core.task(embed(name)));
    startAll(core);
    core.finish(core.only('execute'));
  }
  core.store(core.task(embed('big')));
  expect(core.take('stop-process')).toHaveLength(1);
  const { nodeId, pid, incarnation } = kept?.to ?? {
    nodeId: 'a' as never,
    pid: '' as ProcessId,
    incarnation: 0,
  };
  const memory = [{ pid, incarnation, residentBytes: 200 * MIB }];
  core.apply({ kind: 'node-heartbeat', nodeId, freeMemoryBytes: 1, memory });
  expect(core.take('stop-process')).toHaveLength(1);
});

it('keeps replicas of the newest version where a spawn request named none', () => {
  const core = new CoreFixture().knowModels(modelOf('mini')).attachNode();
  core.apply(keep('mini'));
  expect(startAll(core).map(({ target }) => target)).toEqual(['mini@1']);
  const model = { ...modelOf('mini'), version: '2', addedWallMs: 2 };
  core.apply({ kind: 'model-changed', target: asTarget('mini@2'), model });
  expect(core.only('start-process').target).toBe('mini@2');
});

it('ends what fits nowhere once no node may be on its way back', () => {
  const core = new CoreFixture({}, 2, 1).knowModels(modelOf('huge', { mib: 9_000 })).attachNode();
  core.store(core.task(embed('huge', { sequence: 5 })));
  expect(core.take('commit-result')).toEqual([]);
  core.advance(60_000);
  expect(core.only('commit-result').result).toMatchObject({
    error: { code: 'FAILED_PRECONDITION' },
  });
});

describe('with very many models that wait for memory', () => {
  const KEPT = 20;
  const WAITING = 1_000;

  function crowded() {
    const { models, looksAt } = countedModels(KEPT + WAITING, ['footprintBytes']);
    const core = new CoreFixture().knowModels(...models);
    const names = models.map(({ name }) => name);
    for (const name of names.slice(0, KEPT)) core.apply(keep(name));
    // Room for what is kept, and no more.
    for (const node of ['a', 'b']) core.attachNode(node, Math.ceil((KEPT / 2) * 100) / 0.9);
    startAll(core);
    core.store(...names.slice(KEPT).map((name) => core.task(embed(name))));
    // Each tick judges so many of them.
    for (let judged = 0; judged < WAITING; judged += CORE_LIMITS.maxJudgedPerTick) {
      core.apply({ kind: 'time-passed' });
    }
    return { core, looksAt, names };
  }

  it('an event that gives none of them memory judges none, and one that does judges one', () => {
    const { core, looksAt, names } = crowded();
    const [idle = '', other = ''] = names;
    core.isChecked = false;
    const ofIdle = looksAt(() => {
      core.store(core.task(embed(idle)));
      core.finish(core.only('execute'));
    });
    const ofMore = looksAt(() => core.store(core.task(embed(names.at(-1) ?? ''))));
    expect([ofIdle, ofMore]).toEqual([0, 0]);
    // It may be evicted now: for the most urgent one that waits.
    expect(looksAt(() => core.apply(keep(other, 0)))).toBe(1);
    const ofExit = looksAt(() => exit(core, core.only('stop-process')));
    expect(core.take('start-process').map(({ target }) => target)).toEqual([`${names[KEPT]}@1`]);
    expect(ofExit).toBe(1);
    core.isChecked = true;
    core.apply({ kind: 'time-passed' });
  });
});
