import type { TaskClass, TaskId, TenantId } from '@llmos/base';
import { WIRE_LIMITS, errorBody } from '@llmos/base';
import { CoreFixture, modelOf, refOf, runningCore } from '../core-fixture';
import { CORE_LIMITS } from '../limits';
import type { ProcessAddress } from '../kernel-decision';
import type { TaskSpec } from './task-spec';

const UNAVAILABLE = { code: 'UNAVAILABLE', retryable: true, message: 'not now' } as const;
const own = (id: string) => ({ id: id as TaskId, hasOwnId: true });
const free = (sequence: number) =>
  ({
    kind: 'result-looked-up',
    sequence,
    isCommitted: false,
    attempts: 0,
    isApart: false,
  }) as const;

function started(permits = 2): CoreFixture {
  const core = runningCore();
  core.apply({ kind: 'spawn-requested', request: { model: 'echo', replicas: 1 } });
  core.startAll(permits);
  return core;
}

describe('intake', () => {
  it('takes a sequence in once', () => {
    const core = started();
    const task = core.task();
    core.store(task, task);
    expect(core.take('execute')).toHaveLength(1);
  });

  it('acknowledges a second message of a live id and runs it once', () => {
    const core = started();
    core.store(core.task(own('a')), core.task(own('a')));
    expect(core.take('acknowledge')).toEqual([{ kind: 'acknowledge', sequence: 2 }]);
    core.apply(free(1));
    core.finish(core.only('execute'));
    expect(core.only('acknowledge').sequence).toBe(1);
    expect(core.core.counts().tasks).toBe(0);
  });

  it('answers an id that ended before from its result, and runs nothing', () => {
    const core = started();
    core.store(core.task(own('a')));
    core.apply({ ...free(1), isCommitted: true });
    expect(core.take('execute')).toHaveLength(0);
    expect(core.only('acknowledge').sequence).toBe(1);
  });

  describe('of an id that its client made for the message', () => {
    const made = (id: string) => ({ ...own(id), isIdNew: true }) as const;

    it('asks nobody whether it has its result', () => {
      const core = started();
      core.store(core.task(made('a')));
      expect(core.take('look-up-result')).toHaveLength(0);
      expect(core.only('execute').spec.id).toBe('a');
    });

    it('asks all the same where another leader, or an earlier delivery, may have run it', () => {
      const core = started();
      const [first, second] = [core.task(made('a')), core.task(made('b'))];
      core.store(second);
      core.storeAgain(first);
      expect(core.only('look-up-result').spec.id).toBe('a');
      const next = new CoreFixture({}, 2, 10);
      next.store(next.task(made('c')));
      expect(next.only('look-up-result').spec.id).toBe('c');
    });

    it('asks where a task of it has ended lately, so nothing runs again', () => {
      const core = started();
      core.store(core.task(made('a')));
      core.finish(core.only('execute'));
      core.store(core.task(made('a')));
      expect(core.take('execute')).toHaveLength(0);
      core.apply({ ...free(2), isCommitted: true });
      expect(core.take('acknowledge').map(({ sequence }) => sequence)).toEqual([1, 2]);
    });

    it('asks where a look-up has found a result of it, though that was of another task', () => {
      const core = started();
      core.store(core.task({ ...own('a'), digest: 'two' }));
      const other = { function: core.only('look-up-result').spec.function, digest: 'one' };
      core.apply({ ...free(1), isCommitted: true, other });
      core.store(core.task({ ...made('a'), digest: 'one' }));
      expect(core.take('execute')).toHaveLength(0);
      expect(core.only('look-up-result').spec.sequence).toBe(2);
    });

    it('shares the result of a live task, and is refused where it is that of another one', () => {
      const core = started();
      core.store(core.task({ ...made('a'), digest: 'one' }));
      core.store(core.task({ ...made('a'), digest: 'one' }));
      core.store(core.task({ ...made('a'), digest: 'two' }));
      expect(core.take('execute')).toHaveLength(1);
      expect(core.only('acknowledge').sequence).toBe(2);
      const { of, result } = core.only('commit-result');
      expect(of).toMatchObject({ id: 's3', hasOwnId: false });
      expect(result).toMatchObject({ ok: false, error: { code: 'ALREADY_EXISTS' } });
    });

    it('is not ended by the end of an earlier, other task of it that is told once more', () => {
      const core = started();
      core.store(core.task({ ...made('a'), digest: 'one' }));
      const execute = core.only('execute');
      core.finish(execute);
      core.store(core.task({ ...made('a'), digest: 'two' }));
      core.finish(execute);
      expect(core.take('acknowledge').map(({ sequence }) => sequence)).toEqual([1]);
      const other = { function: execute.spec.function, digest: 'one' };
      core.apply({ ...free(2), isCommitted: true, other });
      expect(core.only('commit-result').of).toMatchObject({ id: 's2', hasOwnId: false });
    });
  });

  it('ends under its number where it ends at once and its id has the result of another', () => {
    const core = started();
    const spec = core.task({ ...own('a'), digest: 'two' });
    core.apply({ kind: 'task-malformed', spec, error: errorBody('INVALID_ARGUMENT', 'bad') });
    const { tenant, id: task } = core.only('commit-result').of;
    expect(task).toBe('a');
    const other = { function: spec.function, digest: 'one' };
    core.apply({ kind: 'result-committed', tenant, task, other });
    expect(core.take('acknowledge')).toHaveLength(0);
    const { of, result } = core.only('commit-result');
    expect(of).toMatchObject({ id: `s${spec.sequence}`, hasOwnId: false });
    expect(result).toMatchObject({ ok: false, error: { code: 'ALREADY_EXISTS' } });
    core.apply({ kind: 'result-committed', tenant, task: of.id });
    expect(core.only('acknowledge').sequence).toBe(spec.sequence);
  });

  it('ends so, too, while its own look-up is not answered', () => {
    const core = started();
    const deadlineWallMs = core.now().wallMs + 10;
    const spec = core.task({ ...own('a'), digest: 'two', deadlineWallMs });
    core.store(spec).advance(11);
    const { tenant, id: task } = core.only('commit-result').of;
    const other = { function: spec.function, digest: 'one' };
    core.apply({ kind: 'result-committed', tenant, task, other });
    expect(core.only('commit-result').of).toMatchObject({ id: 's1' });
    core.apply({ ...free(1), isCommitted: true, other });
    expect(core.take('acknowledge')).toEqual([]);
    core.apply({ kind: 'result-committed', tenant, task: 's1' as TaskId });
    expect(core.only('acknowledge').sequence).toBe(1);
  });

  it('is ended by an end that an earlier leader asked for, unless it was that of another task', () => {
    for (const isOther of [false, true]) {
      const core = new CoreFixture({}, 2, 10);
      core.store(core.task({ ...own('a'), digest: 'two' }));
      const { spec } = core.only('look-up-result');
      const attempt = { tenant: spec.tenant, task: spec.id, attempt: 1 };
      const origin = { nodeId: 'n1', pid: 'p1-1', incarnation: 1 } as unknown as ProcessAddress;
      const outcome = { kind: 'committed', ok: true } as const;
      core.apply({ kind: 'attempt-finished', origin, attempt, outcome });
      expect(core.take('acknowledge')).toHaveLength(0);
      const other = { function: spec.function, digest: 'one' };
      core.apply({ ...free(1), isCommitted: isOther, ...(isOther ? { other } : {}) });
      expect(core.take('acknowledge')).toHaveLength(isOther ? 0 : 1);
      expect(core.take('commit-result').map(({ of }) => of.id)).toEqual(isOther ? ['s1'] : []);
    }
  });

  it('lets a child inherit the deadline and the priority of its live parent', () => {
    const core = started(1);
    core.store(core.task());
    const running = core.only('execute');
    const deadlineWallMs = core.now().wallMs + 5_000;
    core.store(core.task({ ...own('parent'), deadlineWallMs, priority: 9 }), core.task());
    core.apply(free(2));
    const parent = 'parent' as TaskId;
    core.store(core.task({ parent }), core.task({ parent, priority: 0 }));
    core.finish(running);
    const order = [core.only('execute')];
    for (let last = order[0]; order.length < 4 && last !== undefined; last = order.at(-1)) {
      core.finish(last);
      order.push(core.only('execute'));
    }
    expect(order.map(({ spec }) => spec.sequence)).toEqual([2, 4, 3, 5]);
    expect(order[1]?.deadlineWallMs).toBe(deadlineWallMs);
  });

  it('refuses the tenant that fills the queue, and no other, until there is room again', () => {
    const core = runningCore({ taskStoreBytes: 100_000 });
    core.apply({ kind: 'spawn-requested', request: { model: 'echo', replicas: 1 } });
    core.startAll(1);
    const bodyBytes = 20_000;
    // The first three fill it half, the fourth is beyond three quarters.
    core.store(...[1, 2, 3].map(() => core.task({ bodyBytes })));
    core.store(core.task({ bodyBytes }));
    const refused = core.only('commit-result');
    expect(refused).toMatchObject({ as: 'refused', of: { sequence: 4 } });
    core.store(core.task({ bodyBytes, tenant: 'zenith' as never }));
    expect(core.take('commit-result')).toEqual([]);
    core.finish(core.only('execute'));
    const { tenant, id: task } = refused.of;
    core.apply({ kind: 'result-committed', tenant, task });
    core.store(core.task({ bodyBytes: 1_000 }));
    expect(core.take('commit-result')).toEqual([]);
  });

  it('refuses what was judged before, but not what may have run under another leader', () => {
    const core = runningCore();
    const refusal = errorBody('RESOURCE_EXHAUSTED', 'full');
    core.apply({ kind: 'task-stored', spec: core.task(), refusal });
    expect(core.only('commit-result')).toMatchObject({ as: 'refused', result: { error: refusal } });
    const next = new CoreFixture({}, 2, 10);
    next.apply({ kind: 'task-stored', spec: next.task(), refusal });
    expect(next.take('commit-result')).toEqual([]);
  });

  it('keeps the same id of two tenants apart', () => {
    const core = started();
    core.store(core.task(own('a')), core.task({ ...own('a'), tenant: 'zenith' as never }));
    core.apply(free(1), free(2));
    expect(core.take('execute')).toHaveLength(2);
  });

  it('runs what was stored before one that came ahead of it, without a look-up', () => {
    const core = started();
    const [line, call] = [core.task(), core.task()];
    core.apply({ kind: 'task-stored', spec: call, arrival: 'ahead' }).store(line);
    expect(core.take('look-up-result')).toHaveLength(0);
    expect(core.take('execute').map(({ spec }) => spec.sequence)).toEqual([
      call.sequence,
      line.sequence,
    ]);
  });

  it('looks a repeated sequence up instead of running it twice', () => {
    const core = started();
    const task = core.task();
    core.store(task);
    core.finish(core.only('execute'));
    core.storeAgain(task);
    expect(core.take('execute')).toHaveLength(0);
    expect(core.take('look-up-result')).toHaveLength(1);
  });

  it('takes no late answer of a look-up for one about the same message, delivered again', () => {
    // An earlier leader gave it to a process that has just ended it.
    const core = new CoreFixture({}, 2, 1).knowModels().attachNode();
    const task = core.task({ ...own('a'), sequence: 1 });
    const origin = { nodeId: 'node', pid: 'p1-1', incarnation: 1 } as never;
    const attempt = { tenant: task.tenant, task: task.id, attempt: 1 };
    const outcome = { kind: 'committed', ok: true } as const;
    const finished = { kind: 'attempt-finished', origin, attempt, outcome } as const;
    core.store(task).apply(finished, finished);
    expect(core.take('look-up-result')).toHaveLength(1);
    core.store(task);
    expect(core.take('look-up-result')).toHaveLength(0);
    core.apply(free(1)).advance(10_000);
    expect(core.take('execute')).toHaveLength(0);
    const ends = core.take('announce').filter(({ fact }) => fact.kind === 'task-completed');
    expect(ends).toHaveLength(1);
    expect(core.only('acknowledge').sequence).toBe(1);
    core.store(task);
    expect(core.take('look-up-result')).toHaveLength(1);
  });

  it('ends what can not be read in its error, then acknowledges', () => {
    const core = started();
    const error = { code: 'INVALID_ARGUMENT', retryable: false, message: 'bad' } as const;
    core.apply({ kind: 'task-malformed', spec: core.task(), error });
    expect(core.only('commit-result').result).toEqual({ ok: false, error });
    expect(core.take('acknowledge')).toHaveLength(0);
    core.apply({ kind: 'result-committed', tenant: 'acme' as never, task: 's1' as TaskId });
    expect(core.take('acknowledge')).toHaveLength(1);
  });

  it('keeps what it failed to take in as a dead letter, then ends it', () => {
    const core = started();
    const error = { code: 'INTERNAL', retryable: false, message: 'a mistake' } as const;
    core.apply({ kind: 'task-malformed', spec: core.task(), error });
    expect(core.only('store-dead-letter')).toMatchObject({
      reason: 'intake-failed',
      lastError: error,
    });
    core.apply({ kind: 'dead-letter-stored', tenant: 'acme' as never, task: 's1' as TaskId });
    expect(core.only('commit-result').result).toEqual({ ok: false, error });
  });

  it('judges no model missing before it heard of the models', () => {
    const core = new CoreFixture().attachNode();
    core.store(core.task({ function: 'embed' as never, model: { name: 'mini' } }));
    expect(core.take('commit-result')).toHaveLength(0);
    core.knowModels(modelOf('mini'));
    expect(core.only('start-process').target).toBe('mini@1');
  });

  it('refuses tasks over the limit with a hint when to retry', () => {
    const core = new CoreFixture({ maxTasksPerTenant: 1 }).knowModels();
    core.store(core.task(), core.task());
    const { result } = core.only('commit-result');
    expect(result).toMatchObject({
      ok: false,
      error: { code: 'RESOURCE_EXHAUSTED', retryable: true, details: { retryAfterMs: 1000 } },
    });
  });
});

describe('dispatch', () => {
  it('spends no more permits than a process has, most urgent first', () => {
    const core = started(2);
    const batch = [1, 2, 3].map(() => core.task({ class: 'batch' }));
    core.store(...batch);
    const running = core.take('execute');
    expect(running).toHaveLength(2);
    core.store(core.task({ class: 'interactive' }));
    const [first] = running;
    if (first !== undefined) core.finish(first);
    expect(core.only('execute').spec.class).toBe('interactive');
  });

  it('keeps permits of a process for classes above those that fill it', () => {
    const core = started(32);
    const store = (taskClass: TaskClass, count: number) => {
      // A tenant each: what a tenant leaves to others is another matter.
      for (let made = 0; made < count; made += 1) {
        core.store(core.task({ class: taskClass, tenant: `${taskClass}-${made}` as TenantId }));
      }
      return core.take('execute').length;
    };
    expect(store('batch', 40)).toBe(28);
    expect(store('standard', 10)).toBe(2);
    expect(store('interactive', 10)).toBe(2);
  });

  it('keeps permits of a process for tenants other than the one that fills it, in each class', () => {
    const core = started(32);
    const store = (tenant: string, taskClass: TaskClass, count = 40) => {
      for (let made = 0; made < count; made += 1) {
        core.store(core.task({ class: taskClass, tenant: tenant as TenantId }));
      }
      return core.take('execute').length;
    };
    expect(store('flood', 'batch')).toBe(26);
    expect(store('flood', 'standard')).toBe(2);
    expect(store('flood', 'interactive')).toBe(2);
    expect(store('other', 'interactive', 1)).toBe(1);
    expect(store('other', 'interactive', 1)).toBe(1);
    expect(store('third', 'interactive', 1)).toBe(0);
  });

  it('gives one tenant all of few permits', () => {
    const core = started(15);
    for (let made = 0; made < 20; made += 1) core.store(core.task({ class: 'interactive' }));
    expect(core.take('execute')).toHaveLength(15);
  });

  it('takes the tenants in turns where class and priority are equal', () => {
    const core = started(1);
    const of = (tenant: string, more: Partial<TaskSpec> = {}) => {
      core.store(core.task({ tenant: tenant as TenantId, ...more }));
    };
    for (let made = 0; made < 5; made += 1) of('flood');
    for (const tenant of ['b', 'b', 'c']) of(tenant);
    of('c', { class: 'batch' });
    of('flood', { priority: 9 });
    const order: string[] = [];
    for (let next = core.take('execute')[0]; next !== undefined;) {
      order.push(next.spec.tenant);
      core.finish(next);
      next = core.take('execute')[0];
    }
    expect(order.join(' ')).toBe('flood flood b c flood b flood flood flood c');
  });

  it('gives a class that finds a process full of others the permits that they return', () => {
    const core = started(8);
    for (let made = 0; made < 10; made += 1) core.store(core.task({ class: 'interactive' }));
    core.store(core.task({ class: 'batch' }));
    const running = core.take('execute');
    expect(running).toHaveLength(8);
    for (const execute of running) core.finish(execute);
    expect(
      core
        .take('execute')
        .map(({ spec }) => spec.class)
        .sort(),
    ).toEqual(['batch', 'interactive', 'interactive']);
  });

  it('repeats an execute until it is accepted', () => {
    const core = started();
    core.store(core.task());
    core.advance(3_000);
    const sent = core.take('execute');
    expect(sent.length).toBeGreaterThan(2);
    const [last] = sent;
    if (last !== undefined) core.accept(last);
    core.advance(10_000);
    expect(core.take('execute')).toHaveLength(0);
  });

  it('asks again for an attempt that two heartbeats did not name', () => {
    const core = started();
    core.store(core.task());
    const execute = core.only('execute');
    core.accept(execute).advance(900).beat(execute.to);
    expect(core.take('execute')).toHaveLength(0);
    core.advance(900).beat(execute.to);
    expect(core.only('execute').attempt).toBe(1);
  });

  it('asks for none again whose deadline has passed while the kernel stood still', () => {
    const core = started();
    core.store(core.task({ deadlineWallMs: core.now().wallMs + 1_000 }));
    const execute = core.only('execute');
    core.accept(execute).advance(900).beat(execute.to);
    core.stand(900);
    core.beat(execute.to);
    expect(core.take('execute')).toHaveLength(0);
    const { result } = core.only('commit-result');
    expect(result).toMatchObject({ error: { code: 'DEADLINE_EXCEEDED' } });
  });

  it('stops attempts that it does not know', () => {
    const core = started();
    const [row] = core.core.processes(core.now());
    const to = { nodeId: 'node', pid: row?.pid, incarnation: 1 } as never;
    const attempt = { tenant: 'acme', task: 'ghost', attempt: 1 } as never;
    core.advance(3_000).beat(to, attempt);
    expect(core.only('cancel-attempt')).toMatchObject({ reason: 'ABORTED', attempt });
  });

  it('confirms every finish, also repeated and stale ones', () => {
    const core = started();
    core.store(core.task());
    const execute = core.only('execute');
    core.finish(execute).finish(execute);
    expect(core.take('confirm-finished')).toHaveLength(2);
    expect(core.take('acknowledge')).toHaveLength(1);
  });
});

describe('failures', () => {
  it('tries again after a backoff, once the attempt is on record', () => {
    const core = started();
    core.store(core.task());
    core.finish(core.only('execute'), { kind: 'failed', error: UNAVAILABLE });
    expect(core.take('record-attempt')).toMatchObject([{ attempt: 2 }]);
    core.advance(1_000);
    expect(core.take('execute')).toHaveLength(0);
    core.apply({ kind: 'attempt-recorded', sequence: 1, attempt: 2 });
    expect(core.only('execute').attempt).toBe(2);
  });

  it('stores a dead letter, then the result, then acknowledges', () => {
    const core = started();
    core.store(core.task({ maxAttempts: 1 }));
    core.finish(core.only('execute'), { kind: 'failed', error: UNAVAILABLE });
    expect(core.only('store-dead-letter')).toMatchObject({ attempts: 1, lastError: UNAVAILABLE });
    expect(core.take('commit-result')).toHaveLength(0);
    core.apply({ kind: 'dead-letter-stored', tenant: 'acme' as never, task: 's1' as TaskId });
    expect(core.only('commit-result').result).toEqual({ ok: false, error: UNAVAILABLE });
    expect(core.take('acknowledge')).toHaveLength(0);
    core.apply({ kind: 'result-committed', tenant: 'acme' as never, task: 's1' as TaskId });
    expect(core.take('acknowledge')).toHaveLength(1);
  });

  it('tells in its dead letter how each attempt failed, those under earlier leaders too', () => {
    const core = started();
    core.store(core.task({ ...own('a'), maxAttempts: 3 }));
    const earlier = { attempt: 1, code: 'INTERNAL', message: 'x' } as const;
    core.apply({ ...free(1), attempts: 2, failures: [earlier] });
    core.finish(core.only('execute'), { kind: 'failed', error: UNAVAILABLE });
    const long = { ...UNAVAILABLE, message: 'y'.repeat(1_000) };
    const failures = [earlier, { attempt: 2, code: 'UNAVAILABLE', message: UNAVAILABLE.message }];
    expect(core.only('record-attempt')).toMatchObject({ attempt: 3, failures });
    core.apply({ kind: 'attempt-recorded', sequence: 1, attempt: 3 });
    core.advance(1_000);
    core.finish(core.only('execute'), { kind: 'failed', error: long });
    const told = core.only('store-dead-letter').failures;
    expect(told.slice(0, 2)).toEqual(failures);
    expect(told[2]?.message.length).toBeLessThanOrEqual(CORE_LIMITS.maxFailureChars + 1);
  });

  it('ends a final error without a dead letter', () => {
    const core = started();
    core.store(core.task());
    const error = { ...UNAVAILABLE, retryable: false };
    core.finish(core.only('execute'), { kind: 'failed', error });
    expect(core.take('store-dead-letter')).toHaveLength(0);
    expect(core.only('commit-result').result).toEqual({ ok: false, error });
  });

  it('runs tasks apart that died together', () => {
    const core = started(4);
    core.store(core.task(), core.task(), core.task());
    const [first] = core.take('execute');
    if (first === undefined) throw new Error('nothing was sent');
    core.crash(first.to).settle().advance(2_000);
    core.startAll(4);
    const alone = core.only('execute');
    expect(alone).toMatchObject({ attempt: 2 });
    core.finish(alone);
    expect(core.take('execute')).toHaveLength(1);
  });

  it('ends a task by the stored result of an attempt that was replaced', () => {
    const core = started(4);
    core.store(core.task());
    const old = core.only('execute');
    core.crash(old.to).settle().advance(2_000);
    core.startAll(4);
    const young = core.only('execute');
    core.finish(old);
    expect(core.only('cancel-attempt')).toMatchObject({
      reason: 'ABORTED',
      attempt: refOf(young),
    });
    expect(core.take('acknowledge')).toHaveLength(1);
  });

  it('gives the tasks of a killed process back without counting the attempt', () => {
    const core = started(4);
    core.store(core.task({ maxAttempts: 1 }));
    const execute = core.only('execute');
    core.apply({ kind: 'kill-requested', pid: execute.to.pid });
    expect(core.only('stop-process').to).toMatchObject(execute.to);
    const exited = { kind: 'exited', reason: 'stopped', message: '', isRetryable: true } as const;
    core.report(execute.to, exited).settle();
    core.startAll();
    expect(core.only('execute').attempt).toBe(2);
  });
});

describe('deadlines and cancels', () => {
  it('leaves the alarm of a deadline where it is, whatever trace of a millisecond two clocks differ by', () => {
    const fixture = new CoreFixture().knowModels();
    const { core } = fixture;
    const { wallMs } = fixture.now();
    const at = (nowMs: number, traceMs: number) => ({ nowMs, wallMs: wallMs + nowMs + traceMs });
    const spec = fixture.task({ ...own('a'), deadlineWallMs: wallMs + 1_000.5 });
    core.apply({ kind: 'task-stored', spec }, at(1.25, 0.002));
    core.plan(at(1.25, 0.002));
    const alarmMs = core.nextWakeMs();
    core.apply(free(1), at(7.75, 0.005));
    core.plan(at(7.75, 0.005));
    expect([alarmMs, core.nextWakeMs()]).toEqual([1_001, 1_001]);
  });

  it('starts nothing after its deadline', () => {
    const core = runningCore();
    core.store(core.task({ deadlineWallMs: core.now().wallMs + 500 }));
    core.advance(1_000);
    const { result } = core.only('commit-result');
    expect(result).toMatchObject({ error: { code: 'DEADLINE_EXCEEDED' } });
    core.startAll();
    expect(core.take('execute')).toHaveLength(0);
  });

  it('asks a running attempt to stop, and ends without it where it does not answer', () => {
    const core = started();
    core.store(core.task({ deadlineWallMs: core.now().wallMs + 500 }));
    core.accept(core.only('execute')).advance(600);
    expect(core.only('cancel-attempt').reason).toBe('DEADLINE_EXCEEDED');
    expect(core.take('commit-result')).toHaveLength(0);
    core.advance(6_000);
    expect(core.only('commit-result').result).toMatchObject({
      error: { code: 'DEADLINE_EXCEEDED' },
    });
    expect(core.take('cancel-attempt').at(-1)?.reason).toBe('ABORTED');
  });

  it('lets no task live longer than half of what results are kept', () => {
    const core = started();
    core.store(core.task());
    const { deadlineWallMs, spec } = core.only('execute');
    expect(deadlineWallMs - spec.storedWallMs).toBe(WIRE_LIMITS.maxTimeoutMs);
  });

  it('cancels what waits at once, and its children with it', () => {
    const core = new CoreFixture().knowModels();
    core.store(core.task(), core.task({ root: 's1' as TaskId }), core.task());
    core.apply({ kind: 'cancel-requested', tenant: 'acme' as never, task: 's1' as TaskId });
    expect(core.take('commit-result').map((commit) => commit.of.id)).toEqual(['s1', 's2']);
    core.store(core.task({ parent: 's1' as TaskId }));
    expect(core.only('commit-result').of.id).toBe('s4');
  });

  it('takes a cancelled id once more when results are no longer kept, however long they are', () => {
    for (const resultMaxAgeMs of [2 * WIRE_LIMITS.resultMaxAgeMs, WIRE_LIMITS.resultMaxAgeMs]) {
      const core = new CoreFixture({ resultMaxAgeMs }).knowModels();
      core.apply({ kind: 'cancel-requested', tenant: 'acme' as never, task: 's1' as TaskId });
      expect(core.take('commit-result')).toHaveLength(1);
      core.advance(1.5 * WIRE_LIMITS.resultMaxAgeMs);
      core.store(core.task({ parent: 's1' as TaskId }));
      const isForgotten = resultMaxAgeMs === WIRE_LIMITS.resultMaxAgeMs;
      expect(core.take('commit-result')).toHaveLength(isForgotten ? 0 : 1);
    }
  });

  it('cancels a task durably that is not taken in yet', () => {
    const core = started();
    core.apply({ kind: 'cancel-requested', tenant: 'acme' as never, task: 's1' as TaskId });
    expect(core.only('commit-result').result).toMatchObject({ error: { code: 'CANCELLED' } });
    core.store(core.task());
    expect(core.take('execute')).toHaveLength(0);
    expect(core.only('commit-result').of.id).toBe('s1');
  });

  it('acknowledges a cancelled task only after the record of its attempt was answered', () => {
    const core = started();
    core.store(core.task());
    core.finish(core.only('execute'), { kind: 'failed', error: UNAVAILABLE });
    core.apply({ kind: 'cancel-requested', tenant: 'acme' as never, task: 's1' as TaskId });
    core.apply({ kind: 'result-committed', tenant: 'acme' as never, task: 's1' as TaskId });
    expect(core.take('acknowledge')).toHaveLength(0);
    core.apply({ kind: 'attempt-recorded', sequence: 1, attempt: 2 });
    expect(core.only('acknowledge')).toMatchObject({ forget: { task: 's1' } });
  });
});
