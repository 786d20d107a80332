/** Loads that fail: what is avoided, what waits, and what ends. */
import { asTarget } from '@llmos/base';
import type { FunctionName, NodeId, TaskId, TaskKey, TenantId } from '@llmos/base';
import { CoreFixture, modelOf } from '../core-fixture';
import type { CoreOptions } from '../core-options';
import type { KernelDecision } from '../kernel-decision';
import { CORE_LIMITS } from '../limits';
import type { TaskSpec } from '../tasks/task-spec';

type Start = Extract<KernelDecision, { kind: 'start-process' }>;

const MINUTE_MS = 60_000;
const embed = { function: 'embed' as FunctionName, model: { name: 'mini' } };
const exited = (isRetryable: boolean, message = 'no room') =>
  ({ kind: 'exited', reason: 'load-failed', message, isRetryable }) as const;

function nodesOf(names: readonly string[], options: CoreOptions = {}): CoreFixture {
  const core = new CoreFixture(options).knowModels(modelOf('mini'));
  for (const name of names) core.attachNode(name);
  return core;
}

function failStart(core: CoreFixture, isRetryable: boolean, message?: string): Start {
  const start = core.only('start-process');
  core.report(start.to, exited(isRetryable, message), asTarget('mini@1'));
  return start;
}

function failStartAt(core: CoreFixture, { to }: Start): void {
  core.report(to, exited(true), asTarget('mini@1'));
}

/** Fails every load until the time is over. */
function failFor(core: CoreFixture, ms: number): number {
  let count = 0;
  for (let passedMs = 0; passedMs < ms; passedMs += 1_000) {
    for (const { to } of core.take('start-process')) {
      core.report(to, exited(true), asTarget('mini@1'));
      count += 1;
    }
    core.advance(1_000);
  }
  return count;
}

describe('a load that fails and may go well later', () => {
  it('ends none of those that wait, however many and however often it fails', () => {
    const core = nodesOf(['a']);
    const batch = { ...embed, class: 'batch' } as const;
    core.store(...Array.from({ length: 1_000 }, () => core.task(batch)));
    const loads = failFor(core, 10 * MINUTE_MS);
    expect(loads).toBeGreaterThan(6);
    // No busy loop either: the longest wait is half a minute.
    expect(loads).toBeLessThan(40);
    expect(core.take('commit-result')).toEqual([]);
    core.advance(MINUTE_MS);
    // Batch leaves some permits to other classes, and a tenant to other tenants.
    core.startAll(1_300);
    expect(core.take('execute')).toHaveLength(1_000);
  });

  it('is tried on another node at once', () => {
    const core = nodesOf(['a', 'b']);
    core.store(core.task(embed));
    const first = failStart(core, true);
    const second = core.only('start-process');
    expect(second.to.nodeId).not.toBe(first.to.nodeId);
    core.report(second.to, exited(true), asTarget('mini@1'));
    // Both back off now; the one that failed first is free first.
    expect(core.take('start-process')).toEqual([]);
    core.advance(100);
    expect(core.only('start-process').to.nodeId).toBe(first.to.nodeId);
  });

  it('keeps the deadline of whoever waits', () => {
    const core = nodesOf(['a']);
    core.store(core.task({ ...embed, deadlineWallMs: core.now().wallMs + 5_000 }));
    failFor(core, 4_000);
    expect(core.take('commit-result')).toEqual([]);
    failStart(core, true);
    core.advance(1_100);
    expect(core.only('commit-result').result).toMatchObject({
      error: {
        code: 'DEADLINE_EXCEEDED',
        message: expect.stringContaining("without a process: mini@1 can't be loaded") as string,
        details: { because: 'failing' },
      },
    });
  });

  it('leaves other models on that node alone', () => {
    const core = nodesOf(['a']).knowModels(modelOf('mini'), modelOf('other'));
    core.store(core.task(embed));
    failStart(core, true);
    core.store(core.task({ ...embed, model: { name: 'other' } }));
    expect(core.only('start-process').target).toBe('other@1');
  });

  it('is tried at once where its node starts anew, or somebody asks for it', () => {
    const core = nodesOf(['a']);
    core.store(core.task(embed));
    failFor(core, MINUTE_MS);
    core.take('start-process');
    core.apply({ kind: 'spawn-requested', request: { model: 'mini', replicas: 1 } });
    failStart(core, true);
    const { capabilities, session } = attachmentOf('a');
    const nodeId = 'a' as NodeId;
    core.apply({ kind: 'node-attached', nodeId, session, capabilities, processes: [] });
    expect(core.only('start-process').to.nodeId).toBe('a');
  });
});

describe('a load that fails for good', () => {
  it('on one node is tried on the others, and never again on that one', () => {
    const core = nodesOf(['a', 'b', 'c']);
    core.store(core.task(embed));
    const first = failStart(core, false);
    const [to] = core.startAll();
    expect(to?.nodeId).not.toBe(first.to.nodeId);
    core.finish(core.only('execute'));
    // Also for replicas that would be spread over all of them.
    core.apply({ kind: 'spawn-requested', request: { model: 'mini', replicas: 2 } });
    core.startAll();
    core.take('start-process').forEach((start) => expect(start.to.nodeId).not.toBe('a'));
    expect(core.take('commit-result')).toEqual([]);
  });

  it('ends those that wait once it has failed on every node that fits, and says why', () => {
    const core = nodesOf(['a', 'b']).attachNode('small', 50);
    core.store(core.task(embed));
    failStart(core, false, 'no such operator');
    expect(core.take('commit-result')).toEqual([]);
    failStart(core, false, 'no such operator');
    const { result } = core.only('commit-result');
    expect(result).toMatchObject({ error: { code: 'FAILED_PRECONDITION', retryable: false } });
    expect(result).toMatchObject({
      error: { message: expect.stringMatching(/node a: no such operator; node b/) as string },
    });
    core.settle().store(core.task(embed));
    expect(core.only('commit-result').result).toMatchObject({
      error: { code: 'FAILED_PRECONDITION' },
    });
    expect(core.take('start-process')).toEqual([]);
  });

  it('is one whose host crashes again and again, for a minute, on every node', () => {
    const core = nodesOf(['a', 'b']);
    core.store(core.task(embed));
    const crashFor = (ms: number): void => {
      for (let passedMs = 0; passedMs < ms; passedMs += 100) {
        for (const { to } of core.take('start-process')) core.crash(to);
        core.advance(100);
      }
    };
    crashFor(30_000);
    expect(core.take('commit-result')).toEqual([]);
    crashFor(10 * MINUTE_MS);
    expect(core.only('commit-result').result).toMatchObject({
      error: {
        code: 'FAILED_PRECONDITION',
        message: expect.stringMatching(/node a: crashed: signal 9; node b: crashed/) as string,
      },
    });
    expect(core.take('start-process')).toEqual([]);
  });

  it('is none whose host crashes only now and then, or after it was ready', () => {
    const core = nodesOf(['a']);
    core.store(core.task({ ...embed, maxAttempts: 100 }));
    for (let times = 0; times < 30; times += 1) {
      core.advance(40_000).settle();
      const [start] = core.take('start-process');
      if (start === undefined) continue;
      if (times % 3 > 0) core.crash(start.to);
      else failStartAt(core, start);
    }
    expect(core.take('commit-result')).toEqual([]);
  });

  it('ends nothing while another node may still load it', () => {
    const core = nodesOf(['a', 'b']);
    core.store(core.task(embed));
    failStart(core, false);
    failStart(core, true);
    core.advance(50);
    expect(core.take('commit-result')).toEqual([]);
    core.advance(100);
    core.startAll();
    expect(core.take('execute')).toHaveLength(1);
  });

  it('ends nothing while a node that fits may come back', () => {
    const core = nodesOf(['a', 'b']);
    core.apply({ kind: 'node-detached', nodeId: 'b' as NodeId, session: 'b-1' });
    core.store(core.task(embed));
    failStart(core, false);
    expect(core.take('commit-result')).toEqual([]);
    core.attachNode('b').startAll();
    expect(core.take('execute')).toHaveLength(1);
  });

  it('is tried again with a new digest of the model', () => {
    const core = nodesOf(['a']);
    core.store(core.task(embed));
    failStart(core, false);
    core.settle().knowModels({ ...modelOf('mini'), digest: 'mended' });
    core.store(core.task(embed));
    expect(core.take('start-process')).toHaveLength(1);
  });

  it('is tried again a while later, and by a node that comes new', () => {
    const core = nodesOf(['a'], { permanentFaultMs: MINUTE_MS });
    core.store(core.task(embed));
    failStart(core, false);
    core.settle().advance(MINUTE_MS).store(core.task(embed));
    failStart(core, false);
    core.settle().attachNode('b').store(core.task(embed));
    expect(core.only('start-process').to.nodeId).toBe('b');
  });

  it('ends a mass of those that wait, a part in each tick', () => {
    const core = nodesOf(['a']);
    const count = CORE_LIMITS.maxSweptPerTick + 10;
    core.store(...Array.from({ length: count }, () => core.task(embed)));
    failStart(core, false);
    core.settle().advance(10).settle();
    expect(core.core.counts().tasks).toBe(0);
  });
});

describe('what is blocked', () => {
  const blocked = (core: CoreFixture) => core.core.blocked(core.now());

  it('says why, until when, and how many wait; the node says what failed on it', () => {
    const core = nodesOf(['a']);
    core.store(core.task(embed), core.task(embed));
    failStart(core, true, 'out of memory');
    expect(blocked(core)).toEqual([
      {
        model: 'mini@1',
        queued: 2,
        because: 'failing',
        message: "mini@1 can't be loaded; node a: load-failed: out of memory",
        retryInMs: 100,
      },
    ]);
    const [node] = core.core.nodes(core.now());
    expect(node?.faults).toEqual([
      {
        model: 'mini@1',
        failures: 1,
        isPermanent: false,
        message: 'load-failed: out of memory',
        retryInMs: 100,
      },
    ]);
    expect(core.core.counts().blocked).toBe(2);
    core.advance(100).startAll();
    expect(blocked(core)).toEqual([]);
    expect(core.core.nodes(core.now())[0]).not.toHaveProperty('faults');
    expect(core.core.counts().blocked).toBe(0);
  });

  it('waits for memory, for a node, or is too large for any', () => {
    const core = new CoreFixture().knowModels(
      modelOf('mini', { mib: 700 }),
      modelOf('big', { mib: 700 }),
    );
    core.store(core.task(embed));
    expect(blocked(core)).toMatchObject([{ because: 'no-nodes', queued: 1 }]);
    core.attachNode('a').startAll();
    core.store(core.task({ ...embed, model: { name: 'big' } }));
    expect(blocked(core)).toMatchObject([{ model: 'big@1', because: 'memory' }]);
    core.knowModels(modelOf('mini', { mib: 700 }), modelOf('huge', { mib: 7_000 }));
    core.apply({ kind: 'spawn-requested', request: { model: 'huge', replicas: 1 } });
    expect(blocked(core)).toMatchObject([{ model: 'huge@1', because: 'too-large', queued: 0 }]);
  });

  it('is what its tasks wait for', () => {
    const core = nodesOf(['a']);
    const [first, key] = [core.task({ ...embed, key: 'k' as TaskKey }), { key: 'k' as TaskKey }];
    const other = core.task({ ...embed, tenant: 'zenith' as TenantId });
    core.store(first, other, core.task({ ...embed, ...key }), core.task(embed));
    const status = (spec: TaskSpec) => core.core.statusOf(spec.tenant, spec.id);
    const last = { ...first, id: 's4' as TaskId };
    expect(status(last)).toMatchObject({ waitsFor: 'process', position: 3 });
    failStart(core, true);
    expect(status(last)).toMatchObject({
      state: 'queued',
      waitsFor: 'process',
      blocked: { because: 'failing', retryInMs: 100 },
      position: 3,
      ahead: { own: 1, others: 1 },
    });
    expect(status({ ...first, id: 's3' as TaskId })).toMatchObject({ waitsFor: 'key' });
    core.advance(100).startAll(1);
    expect(status(first)).toMatchObject({ state: 'running' });
    expect(status(first)).not.toHaveProperty('waitsFor');
    expect(status(other)).toMatchObject({ waitsFor: 'turn', position: 1 });
    expect(status(other)).not.toHaveProperty('blocked');
  });
});

function attachmentOf(name: string) {
  return {
    session: `${name}-2`,
    capabilities: {
      cores: 2,
      memoryBytes: 1e9,
      devices: [{ id: 'cpu', provider: 'cpu', name: 'cpu', capacityBytes: 1e9 }],
      providers: ['cpu'],
      versions: {},
      labels: {},
    },
  } as const;
}
