import type { CallerId, TaskId, TenantId } from '@llmos/base';
import { asToken } from '@llmos/base';
import type { CoreFixture } from '../core-fixture';
import { runningCore } from '../core-fixture';
import type { KernelDecision } from '../kernel-decision';
import { CORE_LIMITS } from '../limits';

const tenant = asToken<TenantId>('acme');
const me = asToken<CallerId>('me');
const other = asToken<CallerId>('other');
const id = (name: string): TaskId => asToken<TaskId>(name);
const gone = (caller = me, of = tenant) =>
  ({ kind: 'caller-gone', of: { tenant: of, caller } }) as const;

/** One permit, and a task that nobody is bound to in it. */
function busyCore(): CoreFixture {
  const core = runningCore();
  core.store(core.task());
  core.startAll(1);
  core.accept(core.only('execute'));
  return core;
}

function ends(core: CoreFixture): string[] {
  return core.take('commit-result').map(({ of, as, result }) => {
    const text = result.ok ? 'ok' : `${result.error.code}: ${result.error.message}`;
    return `${of.id} ${as} ${text}`;
  });
}

const goneText = (name: string): string =>
  `${name} refused CANCELLED: task ${name} was cancelled: its caller is gone`;

it('what waits for a caller that is gone ends, what waits for others goes on', () => {
  const core = busyCore();
  core.store(
    core.task({ caller: me }),
    core.task({ caller: other }),
    core.task(),
    core.task({ caller: me, tenant: asToken<TenantId>('else') }),
  );
  core.apply(gone());
  expect(ends(core)).toEqual([goneText('s2')]);
});

it('what runs is asked to stop, and its permit goes to the next', () => {
  const core = runningCore();
  core.store(core.task({ caller: me }));
  core.startAll(1);
  const run = core.only('execute');
  core.accept(run).store(core.task());
  core.apply(gone());
  expect(core.only('cancel-attempt').reason).toBe('CANCELLED');
  core.finish(run, { kind: 'stopped', reason: 'CANCELLED' });
  expect(ends(core)).toEqual([goneText('s1')]);
  expect(core.only('execute').spec.id).toBe('s2');
});

it('a process that does not stop is not waited for', () => {
  const core = runningCore({ cancelBoundMs: 1_000 });
  core.store(core.task({ caller: me }));
  core.startAll(1);
  core.accept(core.only('execute'));
  core.apply(gone());
  core.advance(1_000);
  expect(ends(core)).toEqual([goneText('s1')]);
});

it('a result that a process stored meanwhile stays the result', () => {
  const core = runningCore();
  core.store(core.task({ caller: me }));
  core.startAll(1);
  const run = core.only('execute');
  core.apply(gone());
  core.finish(run);
  expect(ends(core)).toEqual([]);
  expect(core.core.counts().tasks).toBe(0);
});

it('the children of a bound task end with it', () => {
  const core = busyCore();
  core.store(
    core.task({ caller: me, id: id('root') }),
    core.task({ parent: id('root'), id: id('child') }),
    core.task({ parent: id('child'), id: id('grandchild') }),
  );
  core.apply(gone());
  expect(ends(core).sort()).toEqual(['child', 'grandchild', 'root'].map(goneText));
  expect(core.core.counts().callerGone).toBe(3);
});

it('an id is free again, and its next task is bound anew', () => {
  const core = busyCore();
  const mine = { hasOwnId: true, id: id('mine'), digest: 'd' } as const;
  const first = core.task({ ...mine, caller: me });
  core.store(first).apply(lookedUp(first.sequence), gone()).settle();
  expect(core.core.statusOf(tenant, mine.id).state).toBe('unknown');
  const again = core.task({ ...mine, caller: me });
  core.store(again).apply(lookedUp(again.sequence));
  expect(core.core.statusOf(tenant, mine.id).state).toBe('queued');
  expect(ends(core)).toEqual([]);
});

describe('a message of the same id from another caller', () => {
  const mine = { hasOwnId: true, id: id('mine'), digest: 'd' } as const;

  function repeated(...callers: (CallerId | undefined)[]): CoreFixture {
    const core = busyCore();
    for (const caller of callers) {
      core.store(core.task({ ...mine, ...(caller === undefined ? {} : { caller }) }));
    }
    core.apply(lookedUp(2));
    return core;
  }

  const acknowledged = (core: CoreFixture) =>
    core.take('acknowledge').map(({ sequence }) => sequence);

  it('binds the task to the newer one', () => {
    const core = repeated(me, other);
    core.apply(gone(me));
    expect(ends(core)).toEqual([]);
    core.apply(gone(other));
    expect(ends(core)).toEqual([goneText('mine')]);
  });

  it('binds it to nobody where it names none', () => {
    const core = repeated(me, undefined);
    core.apply(gone(me));
    expect(ends(core)).toEqual([]);
    expect(core.core.counts().callers).toBe(0);
  });

  it('is kept until the end, so that the next leader binds it alike', () => {
    const core = repeated(me, other);
    expect(acknowledged(core)).toEqual([]);
    // Delivered again, as to the next leader.
    core.store(core.task({ ...mine, caller: other, sequence: 3 }));
    expect(acknowledged(core)).toEqual([]);
    core.apply(gone(other)).settle();
    expect(acknowledged(core)).toEqual([2, 3]);
  });

  it('makes room for the next one', () => {
    const core = repeated(me, other, me, me);
    expect(acknowledged(core)).toEqual([3, 5]);
    core.apply(gone(other));
    expect(ends(core)).toEqual([]);
    core.apply(gone(me)).settle();
    expect(acknowledged(core)).toEqual([2, 4]);
  });

  it('changes nothing where it is older than what decides', () => {
    const core = busyCore();
    core.store(core.task({ ...mine, caller: me, sequence: 9 }));
    core.store(core.task({ ...mine, caller: other, sequence: 5 }));
    expect(acknowledged(core)).toEqual([5]);
    core.apply(gone(other));
    expect(ends(core)).toEqual([]);
  });
});

it('a mass of one caller ends over several ticks', () => {
  const core = busyCore();
  const count = 2 * CORE_LIMITS.maxSweptPerTick;
  core.store(...Array.from({ length: count }, () => core.task({ caller: me })));
  core.apply(gone());
  expect(core.decisions.filter(({ kind }) => kind === 'commit-result')).toHaveLength(
    CORE_LIMITS.maxSweptPerTick,
  );
  core.settle().advance(1).settle();
  expect(core.core.counts()).toMatchObject({ tasks: 1, callers: 0, callerGone: count });
});

it('a caller of nothing may be gone', () => {
  const core = busyCore();
  core.apply(gone(), gone());
  const decided: readonly KernelDecision[] = core.decisions;
  expect(decided.filter(({ kind }) => kind === 'commit-result')).toEqual([]);
});

function lookedUp(sequence: number) {
  const none = { isCommitted: false, attempts: 0, isApart: false };
  return { kind: 'result-looked-up', sequence, ...none } as const;
}
