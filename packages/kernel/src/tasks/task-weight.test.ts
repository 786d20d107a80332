import type { CallerId, FlowName, TaskId, TaskKey } from '@llmos/base';
import { asToken } from '@llmos/base';
import type { CoreFixture } from '../core-fixture';
import { runningCore } from '../core-fixture';
import { CORE_LIMITS } from '../limits';
import type { TaskSpec } from './task-spec';

const long = <T>(letter: string): T => letter.repeat(64) as T;

/** What was measured of each: a lower weight would let them fill the heap. */
const MEASURED: readonly (readonly [Partial<TaskSpec>, number])[] = [
  [{}, 878],
  [{ id: long<TaskId>('i'), hasOwnId: true, digest: 'of-its-body' }, 1_000],
  [{ key: long<TaskKey>('k') }, 1_291],
  [{ model: { name: long('m'), version: long('v') } }, 1_282],
  [{ parent: long<TaskId>('p'), root: long<TaskId>('r') }, 1_187],
  [{ caller: long<CallerId>('c') }, 1_030],
  [{ flow: long<FlowName>('f') }, 993],
  [{ traceparent: long<string>('t') + long<string>('t') }, 1_057],
];
const EVERY_BYTES = 2_634;

function heldBytes(core: CoreFixture): number {
  return core.core.counts().heldBytes;
}

function weightOf(more: Partial<TaskSpec>): number {
  const core = runningCore();
  core.store(core.task({ tenant: long('t'), ...more }));
  return heldBytes(core);
}

it('weighs a task by the headers that it has, and somewhat more than was measured', () => {
  for (const [more, bytes] of MEASURED) {
    expect(weightOf(more)).toBeGreaterThanOrEqual(bytes * 1.2);
  }
  const every = Object.assign({}, ...MEASURED.map(([more]) => more)) as Partial<TaskSpec>;
  expect(weightOf(every)).toBeGreaterThanOrEqual(EVERY_BYTES * 1.2);
  expect(weightOf({})).toBe(CORE_LIMITS.heldTaskBytes);
});

it('weighs what stands beside a task, for as long as that is kept', () => {
  const core = runningCore();
  const mine = { id: asToken<TaskId>('mine'), hasOwnId: true, isIdNew: true, digest: 'd' } as const;
  core.store(core.task({ ...mine, caller: asToken<CallerId>('me') }));
  const alone = heldBytes(core);
  core.store(core.task({ ...mine, caller: asToken<CallerId>('also-me') }));
  expect(heldBytes(core)).toBe(2 * alone + 'also-me'.length - 'me'.length);
  core.store(core.task({ ...mine, caller: asToken<CallerId>('me') }));
  expect(heldBytes(core)).toBe(2 * alone);
  core.apply({ kind: 'cancel-requested', tenant: core.task().tenant, task: mine.id }).settle();
  expect(core.core.counts()).toMatchObject({ tasks: 0, heldBytes: 0 });
});
