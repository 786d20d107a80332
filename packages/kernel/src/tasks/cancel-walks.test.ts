import type { FunctionName, TaskId, TenantId } from '@llmos/base';
import { asToken } from '@llmos/base';
import { resolveCoreOptions } from '../core-options';
import type { KernelState } from '../kernel-state';
import { createKernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import type { Task } from './task';
import type { TaskSpec } from './task-spec';
import { takeIn } from './admission';
import type { WalkOrigin } from './cancel-walks';
import { walkFamily } from './cancel-walks';

const tenant = asToken<TenantId>('acme');
const id = (name: string): TaskId => asToken<TaskId>(name);
const of = (name: string): WalkOrigin => ({ cause: 'CANCELLED', tenant, id: id(name) });

/** Tasks in the order given: name, and the names of parent and root. */
function stateWith(...tasks: readonly (readonly [string, string?, string?])[]): KernelState {
  const state = createKernelState(resolveCoreOptions({}));
  for (const [name, parent, root] of tasks) takeIn(state, specOf(state, name, parent, root));
  return state;
}

function specOf(state: KernelState, name: string, parent?: string, root?: string): TaskSpec {
  return {
    tenant,
    id: id(name),
    hasOwnId: false,
    function: asToken<FunctionName>('echo'),
    class: 'batch',
    priority: 5,
    hasOwnPriority: false,
    sequence: state.lastSequence + 1,
    storedWallMs: 0,
    maxAttempts: 3,
    stream: false,
    format: 'json',
    ...(parent === undefined ? {} : { parent: id(parent) }),
    ...(root === undefined ? {} : { root: id(root) }),
  };
}

function remove(state: KernelState, name: string): void {
  const task = state.tasks.find(tenant, id(name));
  if (task !== undefined) state.tasks.remove(task);
}

/** The members that the walks come to, so many in each tick. */
function walk(state: KernelState, perTick = 1_000, between = (): void => undefined): string[] {
  const { cancels } = state.sweeps;
  const met: string[] = [];
  const cancel = (task: Task): void => void met.push(task.spec.id);
  for (let ticks = 0; cancels.size > 0 && ticks < 100; ticks += 1) {
    const budget = { left: perTick, looksLeft: 1_000 };
    for (let now = cancels.current(); now !== undefined; now = cancels.current()) {
      if (!walkFamily(state, now, budget, cancel)) break;
      cancels.end(state, now);
    }
    between();
  }
  return met;
}

it('comes to children and theirs, each family once, in the order in which they came', () => {
  const state = stateWith(['b', 'a'], ['c', 'b'], ['d', 'a'], ['e', 'd'], ['a', 'c'], ['f', 'x']);
  state.sweeps.cancels.begin(state, of('a'));
  expect(walk(state)).toEqual(['b', 'd', 'c', 'e', 'a']);
});

it('has one walk for a family, and one more where it was asked for in the middle', () => {
  const state = stateWith(['b', 'a'], ['c', 'a'], ['d', 'a']);
  const { cancels } = state.sweeps;
  for (let time = 0; time < 700; time += 1) cancels.begin(state, of('a'));
  expect(cancels.size).toBe(1);
  let isAsked = false;
  const askInTheMiddle = (): void => {
    if (isAsked) return;
    isAsked = true;
    for (let time = 0; time < 700; time += 1) cancels.begin(state, of('a'));
    expect(cancels.size).toBe(1);
  };
  expect(walk(state, 1, askInTheMiddle)).toEqual(['b', 'c', 'd', 'b', 'c', 'd']);
});

it('goes on where members end and others come in between', () => {
  const state = stateWith(['b', 'a'], ['c', 'a'], ['d', 'a'], ['e', 'a']);
  state.sweeps.cancels.begin(state, of('a'));
  let tick = 0;
  const change = (): void => {
    tick += 1;
    if (tick > 3) return;
    if (tick === 1) for (const name of ['b', 'c']) remove(state, name);
    takeIn(state, specOf(state, `late${tick}`, 'd'));
    takeIn(state, specOf(state, `later${tick}`, 'e'));
  };
  const met = walk(state, 1, change);
  // What has ended is met no more; a child that came before its parent was met is not missed.
  expect(met.slice(0, 3)).toEqual(['b', 'd', 'e']);
  expect(met).toEqual(expect.arrayContaining(['late1', 'late2', 'late3', 'later1', 'later2']));
  expect(state.sweeps.cancels.size).toBe(0);
});

it('has no walk for a root that nobody has, and drops those whose members have ended', () => {
  const state = stateWith();
  const { cancels } = state.sweeps;
  cancels.begin(state, of('nobody'));
  expect(cancels.size).toBe(0);
  const count = 3 * CORE_LIMITS.spareCancelWalks;
  takeIn(state, specOf(state, 'stays', 'root'));
  cancels.begin(state, of('root'));
  for (let at = 0; at < count; at += 1) {
    takeIn(state, specOf(state, `t${at}`, `root${at}`));
    cancels.begin(state, of(`root${at}`));
    remove(state, `t${at}`);
    expect(cancels.size).toBeLessThanOrEqual(CORE_LIMITS.spareCancelWalks + 4);
  }
  expect(walk(state)).toEqual(['stays']);
});
