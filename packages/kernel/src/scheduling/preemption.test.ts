import type { FunctionDefinition, TaskClass, TaskKey } from '@llmos/base';
import { NO_TRAITS } from '@llmos/base';
import type { CoreFixture } from '../core-fixture';
import { CoreFixture as Fixture, modelOf, refOf, runningCore } from '../core-fixture';
import type { KernelDecision } from '../kernel-decision';
import { CORE_LIMITS } from '../limits';

type Execute = Extract<KernelDecision, { kind: 'execute' }>;

const MODEL = { name: 'story' };
const generation = (taskClass: TaskClass, more = {}) => ({
  function: 'generate' as never,
  class: taskClass,
  model: MODEL,
  ...more,
});

/** One process of a model that generates. */
function started(permits = 2): CoreFixture {
  const core = runningCore().knowModels(modelOf('story', { task: 'generate' }));
  core.apply({ kind: 'spawn-requested', request: { model: 'story', replicas: 1 } });
  core.startAll(permits);
  return core;
}

/** Every permit is taken by generations of this class. */
function filled(taskClass: TaskClass, permits = 2): { core: CoreFixture; running: Execute[] } {
  const core = started(permits);
  for (let count = 0; count < permits; count += 1) core.store(core.task(generation(taskClass)));
  const running = core.take('execute');
  for (const execute of running) core.accept(execute);
  return { core, running };
}

/** A function that is not built in. */
function scribeOf(isPreemptible: boolean): FunctionDefinition {
  const traits = { ...NO_TRAITS, resumable: isPreemptible, preemptible: isPreemptible };
  const definition = { name: 'scribe', description: '', input: {}, output: {} };
  return { ...definition, runs: 'model', traits };
}

function giveBack(core: CoreFixture, execute: Execute): void {
  core.apply({ kind: 'attempt-preempted', origin: execute.to, attempt: refOf(execute) });
}

function at(running: readonly Execute[], index: number): Execute {
  const execute = running[index];
  if (execute === undefined) throw new Error(`nothing runs at ${index}`);
  return execute;
}

describe('preemption', () => {
  it('asks the least urgent generation of a lower class back, once, until it ends', () => {
    const { core, running } = filled('batch');
    core.store(core.task(generation('interactive')));
    const asked = core.only('preempt-attempt');
    expect(asked.attempt).toEqual(refOf(at(running, 1)));
    core.beat(at(running, 0).to, ...running.map(refOf));
    expect(core.take('preempt-attempt')).toHaveLength(0);
    core.advance(1_000);
    expect(core.only('preempt-attempt').attempt).toEqual(asked.attempt);
    giveBack(core, at(running, 1));
    expect(core.only('execute').spec.class).toBe('interactive');
    core.advance(5_000);
    expect(core.take('preempt-attempt')).toHaveLength(0);
  });

  it('asks for as many as urgent tasks wait, and for none of the same class', () => {
    const { core } = filled('standard', 3);
    core.store(core.task(generation('standard')), core.task(generation('batch')));
    expect(core.take('preempt-attempt')).toHaveLength(0);
    core.store(core.task(generation('interactive')), core.task(generation('interactive')));
    expect(core.take('preempt-attempt')).toHaveLength(2);
  });

  it('leaves other functions alone', () => {
    const core = runningCore();
    core.apply({ kind: 'spawn-requested', request: { model: 'echo', replicas: 1 } });
    core.startAll(1);
    core.store(core.task({ class: 'batch' }), core.task({ class: 'interactive' }));
    expect(core.take('preempt-attempt')).toHaveLength(0);
  });

  it('asks whatever its definition calls preemptible back, and nothing that it does not', () => {
    for (const isPreemptible of [true, false]) {
      const core = runningCore().knowFunctions(scribeOf(isPreemptible));
      core.knowModels(modelOf('quill', { task: 'scribe' as never }));
      core.apply({ kind: 'spawn-requested', request: { model: 'quill', replicas: 1 } });
      core.startAll(1);
      const scribe = { function: 'scribe' as never };
      core.store(core.task({ ...scribe, class: 'batch' }));
      core.store(core.task({ ...scribe, class: 'interactive' }));
      expect(core.take('preempt-attempt')).toHaveLength(isPreemptible ? 1 : 0);
      core.knowFunctions(scribeOf(false)).advance(5_000);
      expect(core.take('preempt-attempt')).toHaveLength(0);
    }
  });

  it('confirms what is given back, and lets it go on at its old place with a higher attempt', () => {
    const { core, running } = filled('batch', 1);
    core.store(core.task(generation('batch')), core.task(generation('interactive')));
    core.take('preempt-attempt');
    giveBack(core, at(running, 0));
    expect(core.take('confirm-finished')[0]?.attempts).toEqual([refOf(at(running, 0))]);
    const urgent = core.only('execute');
    core.settle();
    core.finish(urgent);
    const next = core.only('execute');
    expect([next.spec.sequence, next.attempt]).toEqual([1, 2]);
  });

  it('counts no attempt that was given back, not even for the next leader', () => {
    const core = started(1);
    core.store(core.task(generation('batch', { maxAttempts: 1 })));
    const first = core.only('execute');
    core.accept(first).store(core.task(generation('interactive')));
    giveBack(core, first);
    const record = core.only('record-attempt');
    expect(record).toMatchObject({ attempt: 2, uncounted: 1 });

    const next = new Fixture({}, 2, 2).knowModels(modelOf('story', { task: 'generate' }));
    next.attachNode().store(next.task(generation('batch', { maxAttempts: 2, sequence: 1 })));
    const { attempt: attempts, uncounted, isApart } = record;
    const found = { sequence: 1, isCommitted: false, attempts, uncounted, isApart };
    next.apply({ kind: 'result-looked-up', ...found }).advance(6_000);
    next.startAll(1);
    const second = next.only('execute');
    expect(second.attempt).toBe(2);
    const error = { code: 'UNAVAILABLE', retryable: true, message: 'not now' } as const;
    next.finish(second, { kind: 'failed', error }).settle().advance(1_000);
    // The first attempt that counts: one more may follow.
    expect(next.only('execute').attempt).toBe(3);
  });

  it('leaves a task alone that made room often enough', () => {
    const core = started(1);
    core.store(core.task(generation('batch')));
    for (let count = 0; count < CORE_LIMITS.maxPreemptions; count += 1) {
      const bulk = core.only('execute');
      core.accept(bulk).store(core.task(generation('interactive')));
      expect(core.take('preempt-attempt')).toHaveLength(1);
      giveBack(core, bulk);
      core.settle();
      core.finish(core.only('execute'));
    }
    core.accept(core.only('execute')).store(core.task(generation('interactive')));
    core.advance(10_000);
    expect(core.take('preempt-attempt')).toHaveLength(0);
  });

  it('ends a task that made room often, however much urgent work comes', () => {
    const core = started(1);
    core.store(core.task(generation('batch')));
    let rounds = 0;
    for (let isLeft = false; !isLeft && rounds < 50;) {
      const bulk = core.only('execute');
      expect(bulk.spec.class).toBe('batch');
      core.accept(bulk).store(core.task(generation('interactive')));
      isLeft = core.take('preempt-attempt').length === 0;
      if (isLeft) core.finish(bulk);
      else giveBack(core, bulk);
      core.settle();
      core.finish(core.only('execute'));
      if (!isLeft) rounds += 1;
    }
    expect(rounds).toBe(CORE_LIMITS.maxPreemptions);
    expect(core.core.counts().tasks).toBe(0);
  });

  it('sends what was given back to where it ran, if there is a choice', () => {
    const core = runningCore().knowModels(modelOf('story', { task: 'generate' }));
    core.apply({ kind: 'spawn-requested', request: { model: 'story', replicas: 2 } });
    core.startAll(2);
    for (let count = 0; count < 4; count += 1) core.store(core.task(generation('batch')));
    const running = core.take('execute');
    for (const execute of running) core.accept(execute);
    const back = at(running, 0);
    for (const execute of running) if (execute.to.pid !== back.to.pid) core.finish(execute);
    giveBack(core, back);
    core.settle().advance(1_000);
    // The other process has more room.
    expect(core.only('execute').to.pid).toBe(back.to.pid);
  });

  it('waits longer after an unasked return, and takes a process that only does that for broken', () => {
    const core = started(1);
    core.store(core.task(generation('batch', { maxAttempts: 1 })));
    for (let count = 0; count <= CORE_LIMITS.maxUnaskedReturns; count += 1) {
      giveBack(core, core.only('execute'));
      core.settle();
      expect(core.take('execute')).toHaveLength(0);
      core.advance(1_000);
    }
    expect(core.take('execute')).toHaveLength(0);
    expect(core.core.counts().tasks).toBe(0);
  });

  it('moves generations of a process that is stopped, without waiting for its end', () => {
    const { core, running } = filled('standard', 1);
    const { pid } = at(running, 0).to;
    core.apply({ kind: 'kill-requested', pid });
    giveBack(core, at(running, 0));
    expect(core.only('record-attempt')).toMatchObject({ attempt: 2, uncounted: 1 });
    core.apply({ kind: 'attempt-recorded', sequence: 1, attempt: 2 });
    core.report(at(running, 0).to, {
      kind: 'exited',
      reason: 'stopped',
      message: '',
      isRetryable: false,
    });
    core.startAll(1);
    expect(core.only('execute').attempt).toBe(2);
  });

  it('keeps the tasks of one key on the process that has their prefix', () => {
    const core = runningCore().knowModels(modelOf('story', { task: 'generate' }));
    core.apply({ kind: 'spawn-requested', request: { model: 'story', replicas: 2 } });
    core.startAll(2);
    const key = 'chat' as TaskKey;
    const pids: string[] = [];
    for (let count = 0; count < 4; count += 1) {
      core.store(core.task(generation('standard', { key })), core.task(generation('standard')));
      for (const execute of core.take('execute')) {
        if (execute.spec.key !== undefined) pids.push(execute.to.pid);
        core.finish(execute);
      }
    }
    expect(new Set(pids).size).toBe(1);
    expect(pids).toHaveLength(4);
  });
});
