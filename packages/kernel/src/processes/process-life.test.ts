import { asTarget } from '@llmos/base';
import type { FunctionName, NodeId, ProcessId } from '@llmos/base';
import { CoreFixture, modelOf, refOf, runningCore } from '../core-fixture';
import type { CoreOptions } from '../core-options';
import { CORE_LIMITS } from '../limits';

const generate = (model: string) => ({
  function: 'generate' as FunctionName,
  model: { name: model },
});
const embed = (model: string) => ({ function: 'embed' as FunctionName, model: { name: model } });

describe('loads', () => {
  it('are a single flight, however many tasks wait', () => {
    const core = new CoreFixture().knowModels(modelOf('mini')).attachNode();
    core.store(core.task(embed('mini')), core.task(embed('mini')), core.task(embed('mini')));
    expect(core.take('start-process')).toHaveLength(1);
  });

  it('end the waiting tasks in an error at once where no device is large enough', () => {
    const core = new CoreFixture().knowModels(modelOf('huge', { mib: 5000 }));
    core.store(core.task(embed('huge')));
    expect(core.take('commit-result')).toHaveLength(0);
    core.attachNode();
    expect(core.only('commit-result').result).toMatchObject({
      error: { code: 'FAILED_PRECONDITION' },
    });
  });

  it('that never end are stopped and tried again', () => {
    const core = new CoreFixture({ loadTimeoutMs: 1_000 }).knowModels(modelOf('slow')).attachNode();
    core.store(core.task(embed('slow')));
    const { to } = core.only('start-process');
    core.advance(1_500);
    expect(core.take('stop-process')[0]).toMatchObject({ to, graceMs: 0 });
    const exited = { kind: 'exited', reason: 'stopped', message: '', isRetryable: true } as const;
    core.report(to, exited, asTarget('slow@1')).advance(500);
    expect(core.only('start-process').to).toMatchObject({ pid: to.pid, incarnation: 2 });
  });
});

describe('memory pressure', () => {
  const crowded = () =>
    new CoreFixture()
      .knowModels(modelOf('a', { mib: 500 }), modelOf('b', { mib: 600 }))
      .attachNode();

  it('evicts an idle process for one that is needed', () => {
    const core = crowded();
    core.store(core.task(embed('a')));
    const [first] = core.startAll();
    core.finish(core.only('execute'));
    core.store(core.task(embed('b')));
    const stop = core.only('stop-process');
    expect(stop.to).toEqual(first);
    expect(core.take('start-process')).toHaveLength(0);
    const exited = { kind: 'exited', reason: 'stopped', message: '', isRetryable: true } as const;
    core.report(stop.to, exited, asTarget('a@1'));
    expect(core.only('start-process').target).toBe('b@1');
  });

  it('never evicts a process that runs a task', () => {
    const core = crowded();
    core.store(core.task(embed('a')));
    core.startAll();
    core.store(core.task(embed('b')));
    expect(core.take('stop-process')).toHaveLength(0);
    core.finish(core.only('execute'));
    expect(core.take('stop-process')).toHaveLength(1);
  });

  it('never evicts a replica that was asked for', () => {
    const core = crowded();
    core.apply({ kind: 'spawn-requested', request: { model: 'a', replicas: 1 } });
    core.startAll();
    core.store(core.task(embed('b')));
    expect(core.take('stop-process')).toHaveLength(0);
  });
});

describe('replicas', () => {
  it('are kept, scaled and stopped as asked', () => {
    const core = runningCore();
    const spawn = (replicas: number) =>
      core.apply({ kind: 'spawn-requested', request: { model: 'echo', replicas } });
    spawn(3);
    const processes = core.startAll();
    expect(processes).toHaveLength(3);
    spawn(1);
    expect(core.take('stop-process')).toHaveLength(2);
    spawn(0);
    expect(core.take('stop-process')).toHaveLength(1);
  });

  it('start again when one is killed or dies', () => {
    const core = runningCore();
    core.apply({ kind: 'spawn-requested', request: { model: 'echo', replicas: 1 } });
    const [first] = core.startAll();
    if (first === undefined) throw new Error('nothing was started');
    core.crash(first).advance(500);
    const again = core.only('start-process').to;
    expect(again).toMatchObject({ pid: first.pid, incarnation: 2 });
  });

  it('of a model that was removed are drained', () => {
    const core = new CoreFixture().knowModels(modelOf('a')).attachNode();
    core.apply({ kind: 'spawn-requested', request: { model: 'a', replicas: 1 } });
    core.startAll();
    core.knowModels();
    expect(core.take('stop-process')).toHaveLength(1);
  });

  it('of a model that was removed end what runs in them, and take nothing new', () => {
    const { core, to, execute } = runningGeneration();
    core.knowModels();
    expect(core.take('stop-process')).toEqual([]);
    expect(core.core.processes(core.now())).toMatchObject([
      { state: 'draining', reason: 'model-removed', running: 1 },
    ]);
    core.store(core.task(generate('writer')));
    expect(core.only('commit-result').result).toMatchObject({ error: { code: 'NOT_FOUND' } });
    // However long it takes, as long as it is heard of.
    for (let minute = 0; minute < 10; minute += 1) core.beat(to, refOf(execute)).advance(20_000);
    expect(core.take('stop-process')).toEqual([]);
    core.finish(execute);
    expect(core.take('acknowledge')).toContainEqual({ kind: 'acknowledge', sequence: 1 });
    expect(core.take('stop-process')).toMatchObject([{ to }]);
    expect(core.take('execute')).toEqual([]);
  });

  it('of a model that was removed are stopped then, also where it is registered again', () => {
    const { core, to, execute } = runningGeneration();
    core.knowModels().knowModels(modelOf('writer', { task: 'generate', mib: 500 }));
    core.store(core.task(generate('writer')));
    expect(core.take('execute')).toEqual([]);
    core.finish(execute);
    expect(core.take('stop-process')).toMatchObject([{ to }]);
    const exited = { kind: 'exited', reason: 'stopped', message: '', isRetryable: true } as const;
    core.report(to, exited, asTarget('writer@1'));
    expect(core.only('start-process')).toMatchObject({ target: 'writer@1' });
  });

  it('of a model that was removed are stopped all the same when killed, or silent', () => {
    const killed = runningGeneration();
    killed.core.knowModels().apply({ kind: 'kill-requested', pid: killed.to.pid });
    expect(killed.core.only('stop-process').to).toEqual(killed.to);

    const silent = runningGeneration({ processSilenceMs: 30_000 });
    silent.core.knowModels().advance(60_000);
    expect(silent.core.take('stop-process')[0]).toMatchObject({ to: silent.to, graceMs: 0 });
  });

  it('that still finish are no room to wait for where an idle one can be evicted', () => {
    const { core } = runningGeneration();
    const [idle, next] = [modelOf('idle', { mib: 300 }), modelOf('next', { mib: 400 })];
    core.knowModels(idle, next).store(core.task(embed('idle')));
    const [to] = core.startAll();
    core.finish(core.only('execute')).store(core.task(embed('next')));
    expect(core.take('stop-process')).toMatchObject([{ to }]);
  });
});

/** A model with one generation that is under way. */
function runningGeneration(options: CoreOptions = {}) {
  const writer = modelOf('writer', { task: 'generate', mib: 500 });
  const core = new CoreFixture(options).knowModels(writer).attachNode();
  core.store(core.task(generate('writer')));
  const [to] = core.startAll();
  const execute = core.only('execute');
  if (to === undefined) throw new Error('nothing was started');
  core.accept(execute);
  return { core, to, execute };
}

/** A process with one task. */
function running(options: CoreOptions = {}): CoreFixture {
  const core = runningCore(options);
  core.store(core.task());
  core.startAll();
  return core;
}

describe('processes', () => {
  it.each([
    ['crashed', { attempt: 2, uncounted: 0, isApart: true }],
    ['stopped', { attempt: 2, uncounted: 1, isApart: false }],
  ] as const)('count an attempt where they %s unasked only if that is a failure', (reason, row) => {
    const core = running();
    const execute = core.only('execute');
    const exited = { kind: 'exited', reason, message: '', isRetryable: true } as const;
    core.accept(execute).report(execute.to, exited);
    expect(core.only('record-attempt')).toMatchObject(row);
  });

  it('that were stopped for their silence failed, however they ended', () => {
    const core = running({ processSilenceMs: 1_000 });
    const execute = core.only('execute');
    core.accept(execute).advance(3_000);
    const exited = { kind: 'exited', reason: 'stopped', message: '', isRetryable: true } as const;
    core.report(execute.to, exited);
    expect(core.only('record-attempt')).toMatchObject({ uncounted: 0, isApart: true });
  });
});

describe('nodes', () => {
  it('that fall silent lose their tasks to others', () => {
    const core = runningCore({ nodeLeaseMs: 5_000 });
    core.store(core.task());
    core.startAll();
    core.only('execute');
    core.advance(6_000).settle();
    expect(core.core.nodes(core.now())).toMatchObject([{ node: 'node', state: 'lost' }]);
    core.take('execute');
    core.attachNode('other').advance(2_000);
    core.startAll();
    expect(core.only('execute')).toMatchObject({ attempt: 2, to: { nodeId: 'other' } });
  });

  it('that come back over the old stream count once what they still ran has stopped', () => {
    const core = runningCore({ nodeLeaseMs: 5_000 });
    core.store(core.task());
    const [address] = core.startAll();
    if (address === undefined) throw new Error('nothing was started');
    core.advance(6_000).settle();
    core.take('start-process');
    const beat = { kind: 'node-heartbeat', nodeId: 'node' as NodeId, freeMemoryBytes: 1 } as const;
    core.apply(beat);
    expect(core.only('stop-process').to).toEqual(address);
    expect(core.take('start-process')).toHaveLength(0);
    core.crash(address).apply(beat);
    expect(core.core.nodes(core.now())).toMatchObject([{ state: 'alive' }]);
    core.advance(500);
    expect(core.take('start-process')).toHaveLength(1);
  });

  it('get nothing new once they leave, and their work waits for another', () => {
    const core = runningCore();
    core.store(core.task());
    const [address] = core.startAll();
    if (address === undefined) throw new Error('nothing was started');
    core.finish(core.only('execute')).settle();
    const nodeId = 'node' as NodeId;
    core.apply({ kind: 'node-heartbeat', nodeId, freeMemoryBytes: 1, isLeaving: true });
    const stopped = { kind: 'exited', reason: 'stopped', message: '', isRetryable: false } as const;
    core.report(address, stopped).store(core.task());
    // Beats of an agent that stops go on, and do not make it stay.
    core.apply({ kind: 'node-heartbeat', nodeId, freeMemoryBytes: 1 }).advance(4_000);
    expect(core.take('start-process')).toHaveLength(0);
    expect(core.take('commit-result')).toHaveLength(0);
    core.attachNode('other');
    expect(core.only('start-process').to.nodeId).toBe('other');
  });

  it('that are away may come back: what fits them alone waits', () => {
    const core = new CoreFixture({ nodeLeaseMs: 5_000 }).knowModels(
      modelOf('large', { mib: 2_000 }),
    );
    core.attachNode('big', 4_000).advance(10_000);
    core.attachNode('small').store(core.task(embed('large')));
    expect(core.take('commit-result')).toHaveLength(0);
    core.attachNode('big', 4_000);
    expect(core.only('start-process').to.nodeId).toBe('big');
  });

  it('that are forgotten are not waited for', () => {
    const core = new CoreFixture({ nodeLeaseMs: 5_000 }).knowModels(
      modelOf('large', { mib: 2_000 }),
    );
    core
      .attachNode('big', 4_000)
      .store(core.task(embed('large')))
      .take('start-process');
    core.advance(10_000).advance(CORE_LIMITS.lostNodeRowMs);
    core.attachNode('small');
    expect(core.only('commit-result').result).toMatchObject({
      error: { code: 'FAILED_PRECONDITION' },
    });
  });

  it('that come back over a new stream count once what they still ran has stopped', () => {
    const core = runningCore({ nodeLeaseMs: 5_000 });
    core.store(core.task());
    const [address] = core.startAll();
    if (address === undefined) throw new Error('nothing was started');
    core.advance(6_000).settle();
    const { pid, incarnation } = address;
    const more = { target: asTarget('echo'), device: 'cpu', reservedBytes: 1 };
    const ready = { osPid: 1, permits: 1, footprintBytes: 1, device: 'cpu' };
    const left = { pid, incarnation, report: { kind: 'ready', ...ready } as const, ...more };
    core.attachNode('node', 1_000, [left]);
    expect(core.only('stop-process').to).toEqual(address);
    expect(core.advance(500).take('start-process')).toHaveLength(0);
    core.crash(address);
    expect(core.core.nodes(core.now())).toMatchObject([{ state: 'alive' }]);
    expect(core.advance(500).take('start-process')).toHaveLength(1);
  });

  it('learn again of a start that was lost while they were away', () => {
    const core = runningCore();
    core.store(core.task());
    const { to } = core.only('start-process');
    core.attachNode();
    expect(core.only('start-process').to).toEqual(to);
  });
});

describe('a new leader', () => {
  const pid = 'p1-1' as ProcessId;
  const incarnation = 1;
  const report = {
    kind: 'ready',
    osPid: 1,
    permits: 2,
    footprintBytes: 1,
    device: 'cpu',
  } as const;
  const reported = {
    pid,
    incarnation,
    report,
    target: asTarget('echo'),
    device: 'cpu',
    reservedBytes: 1,
  };
  const to = { nodeId: 'node' as NodeId, pid, incarnation };
  const lookedUp = (sequence: number, isCommitted: boolean, attempts = 0) =>
    ({ kind: 'result-looked-up', sequence, isCommitted, attempts, isApart: false }) as const;

  function successor(): CoreFixture {
    const core = new CoreFixture({ nodeLeaseMs: 5_000 }, 2, 10).knowModels();
    core.store(core.task(), core.task());
    core.apply(lookedUp(1, false, 2), lookedUp(2, false));
    return core;
  }

  it('looks results up before it runs anything again', () => {
    const core = new CoreFixture({ nodeLeaseMs: 5_000 }, 2, 10).knowModels();
    core.store(core.task());
    expect(core.take('look-up-result')).toHaveLength(1);
    core.apply(lookedUp(1, true));
    expect(core.only('acknowledge').sequence).toBe(1);
  });

  it('adopts the attempts that processes still run', () => {
    const core = successor();
    core.attachNode('node', 1000, [reported]);
    expect(core.only('greet-process').to).toEqual(to);
    core.beat(to, { tenant: 'acme' as never, task: 's1' as never, attempt: 2 });
    expect(core.core.statusOf('acme' as never, 's1' as never)).toMatchObject({
      state: 'running',
      attempts: 2,
    });
    core.advance(700);
    expect(core.only('execute').spec.sequence).toBe(2);
  });

  it('sends nothing to a process before that has said what it runs', () => {
    const core = successor();
    core.attachNode('node', 1000, [reported]).advance(1_000);
    core.store(core.task({ sequence: 11 }));
    expect(core.take('execute')).toHaveLength(0);
    core.beat(to);
    core.advance(700);
    expect(core.take('execute')).not.toHaveLength(0);
  });

  it('goes on after a bound where no node comes back', () => {
    const core = successor();
    expect(core.core.counts().isRecovering).toBe(true);
    core.advance(6_000);
    expect(core.core.counts()).toMatchObject({ isRecovering: false, queued: { standard: 2 } });
  });

  it('does not wait where nothing can have run', () => {
    expect(new CoreFixture().core.counts().isRecovering).toBe(false);
  });

  it('stops processes of models that are gone', () => {
    const core = new CoreFixture({}, 2).knowModels();
    core.attachNode('node', 1000, [{ ...reported, target: asTarget('old@1') }]);
    expect(core.only('stop-process').to).toEqual(to);
  });

  it('gives the memory of a process to who waits once its last attempt of before has ended', () => {
    const [old, next] = [modelOf('old', { mib: 500 }), modelOf('next', { mib: 600 })];
    const core = new CoreFixture({}, 2, 10).knowModels(old, next);
    const reservedBytes = 500 * 1024 * 1024;
    core.attachNode('node', 1000, [{ ...reported, target: asTarget('old@1'), reservedBytes }]);
    const attempt = { tenant: 'acme', task: 'known-to-nobody', attempt: 1 } as never;
    core.beat(to, attempt).store(core.task({ ...embed('next'), sequence: 11 }));
    expect(core.take('stop-process')).toHaveLength(0);
    const outcome = { kind: 'committed', ok: true } as const;
    core.apply({ kind: 'attempt-finished', origin: to, attempt, outcome });
    expect(core.only('stop-process').to).toEqual(to);
  });

  it('ends an adopted task by its finish', () => {
    const core = successor();
    core.attachNode('node', 1000, [reported]);
    core.beat(to, { tenant: 'acme' as never, task: 's1' as never, attempt: 2 });
    const attempt = { tenant: 'acme', task: 's1', attempt: 2 } as ReturnType<typeof refOf>;
    const outcome = { kind: 'committed', ok: true } as const;
    core.apply({ kind: 'attempt-finished', origin: to, attempt, outcome });
    expect(core.only('acknowledge')).toMatchObject({ sequence: 1, forget: { task: 's1' } });
  });
});
