/**
 * For tests: a core that leads, on a clock that moves when told, with the answers that a working
 * system would give. Every step checks the invariants.
 */
import type {
  AttemptEnd,
  AttemptRef,
  FunctionDefinition,
  FunctionName,
  Instant,
  ModelRegistration,
  NodeId,
  ProcessReport,
  TaskId,
  TenantId,
} from '@llmos/base';
import { asEpoch, asToken, programTarget } from '@llmos/base';
import { createKernelCore } from './core';
import type { CoreOptions } from './core-options';
import type { KernelCore } from './core';
import type { KernelDecision, ProcessAddress } from './kernel-decision';
import type { KernelEvent } from './kernel-event';
import type { QueuePolicy } from './scheduling/queue-policy';
import type { TaskSpec } from './tasks/task-spec';

type Kind = KernelDecision['kind'];
type Of<K extends Kind> = Extract<KernelDecision, { kind: K }>;

const START_WALL_MS = 1_800_000_000_000;
const MIB = 1024 * 1024;

export class CoreFixture {
  readonly core: KernelCore;
  readonly decisions: KernelDecision[] = [];
  /** False where a test counts what the core alone looks at. */
  isChecked = true;
  private nowMs = 0;
  private lastSequence = 0;

  constructor(
    options: CoreOptions = {},
    readonly epoch = 1,
    recoverUpToSequence = 0,
    policy?: QueuePolicy,
  ) {
    // Nodes say nothing here unless a test is about that.
    this.core = createKernelCore({ nodeLeaseMs: 3_600_000, ...options }, policy);
    this.apply({
      kind: 'leadership-began',
      epoch: asEpoch(epoch),
      kernelId: asToken('kernel'),
      recoverUpToSequence,
      desired: [],
    });
  }

  now(): Instant {
    return { nowMs: this.nowMs, wallMs: START_WALL_MS + this.nowMs };
  }

  apply(...events: KernelEvent[]): this {
    for (const event of events) {
      this.core.apply(event, this.now());
      this.check();
    }
    this.decisions.push(...this.core.plan(this.now()));
    this.check();
    return this;
  }

  /** Ticks whenever the core asks for it on the way. */
  advance(ms: number): this {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const wakeMs = this.core.nextWakeMs();
      this.nowMs = wakeMs === undefined ? untilMs : Math.max(this.nowMs, wakeMs);
      if (this.nowMs > untilMs) this.nowMs = untilMs;
      this.apply({ kind: 'time-passed' });
      if (this.nowMs >= untilMs) return this;
    }
  }

  /** Time passes, and the kernel stands still: no alarm rings before the next event. */
  stand(ms: number): this {
    this.nowMs += ms;
    return this;
  }

  /** Takes the decisions of a kind out of what the core decided so far. */
  take<K extends Kind>(kind: K): Of<K>[] {
    const taken = this.decisions.filter((decision): decision is Of<K> => decision.kind === kind);
    const left = this.decisions.filter((decision) => decision.kind !== kind);
    this.decisions.splice(0, this.decisions.length, ...left);
    return taken;
  }

  only<K extends Kind>(kind: K): Of<K> {
    const taken = this.take(kind);
    const [first] = taken;
    if (first === undefined || taken.length > 1) {
      throw new Error(`${taken.length} decisions ${kind}, expected one`);
    }
    return first;
  }

  task(more: Partial<TaskSpec> = {}): TaskSpec {
    const sequence = more.sequence ?? this.lastSequence + 1;
    this.lastSequence = Math.max(this.lastSequence, sequence);
    const spec: TaskSpec = {
      tenant: asToken<TenantId>('acme'),
      id: asToken<TaskId>(`s${sequence}`),
      hasOwnId: false,
      function: asToken<FunctionName>('echo'),
      class: 'standard',
      priority: 5,
      hasOwnPriority: more.priority !== undefined,
      sequence,
      storedWallMs: this.now().wallMs,
      maxAttempts: 3,
      stream: false,
      format: 'json',
      ...more,
    };
    return spec;
  }

  store(...specs: TaskSpec[]): this {
    return this.apply(...specs.map((spec) => ({ kind: 'task-stored', spec }) as const));
  }

  /** Delivered once more. */
  storeAgain(...specs: TaskSpec[]): this {
    const arrival = 'again';
    return this.apply(...specs.map((spec) => ({ kind: 'task-stored', spec, arrival }) as const));
  }

  attachNode(name = 'node', capacityMib = 1000, processes: NodeAttached['processes'] = []): this {
    const capacityBytes = capacityMib * MIB;
    return this.apply({
      kind: 'node-attached',
      nodeId: asToken<NodeId>(name),
      session: `${name}-1`,
      capabilities: {
        cores: 2,
        memoryBytes: capacityBytes,
        devices: [{ id: 'cpu', provider: 'cpu', name: 'cpu', capacityBytes }],
        providers: ['cpu'],
        versions: {},
        labels: {},
      },
      processes,
    });
  }

  knowModels(...models: ModelRegistration[]): this {
    return this.apply({ kind: 'models-changed', models });
  }

  knowFunctions(...functions: FunctionDefinition[]): this {
    return this.apply({ kind: 'functions-changed', functions });
  }

  /** Every start that was decided succeeds. Answers the addresses. */
  startAll(permits = 2): ProcessAddress[] {
    const starts = this.take('start-process');
    for (const start of starts) {
      this.report(start.to, {
        kind: 'ready',
        osPid: 1,
        permits,
        footprintBytes: start.reservedBytes,
        device: start.device,
      });
    }
    return starts.map((start) => start.to);
  }

  report(to: ProcessAddress, report: ProcessReport, target = programTarget('echo')): this {
    const { nodeId, pid, incarnation } = to;
    const process = { pid, incarnation, report, target, device: 'cpu', reservedBytes: MIB };
    return this.apply({ kind: 'process-changed', nodeId, process });
  }

  crash(to: ProcessAddress): this {
    const message = 'signal 9';
    return this.report(to, { kind: 'exited', reason: 'crashed', message, isRetryable: true });
  }

  accept(execute: Of<'execute'>): this {
    const { to: origin } = execute;
    return this.apply({ kind: 'attempt-accepted', origin, attempt: refOf(execute) });
  }

  finish(execute: Of<'execute'>, outcome: AttemptEnd = { kind: 'committed', ok: true }): this {
    const { to: origin } = execute;
    return this.apply({ kind: 'attempt-finished', origin, attempt: refOf(execute), outcome });
  }

  beat(origin: ProcessAddress, ...running: AttemptRef[]): this {
    return this.apply({ kind: 'process-heartbeat', origin, running });
  }

  /** A heartbeat of one that obeys this epoch. */
  obey(origin: ProcessAddress, epoch: number, foreign = 0): this {
    return this.apply({ kind: 'process-heartbeat', origin, running: [], epoch, foreign });
  }

  /** Answers what the core asked of the stores, until it asks for nothing more. */
  settle(): this {
    for (;;) {
      const events: KernelEvent[] = [
        ...this.take('record-attempt').map(
          ({ spec, attempt }) =>
            ({ kind: 'attempt-recorded', sequence: spec.sequence, attempt }) as const,
        ),
        ...this.take('commit-result').map(
          ({ of }) => ({ kind: 'result-committed', tenant: of.tenant, task: of.id }) as const,
        ),
        ...this.take('store-dead-letter').map(
          ({ spec }) =>
            ({ kind: 'dead-letter-stored', tenant: spec.tenant, task: spec.id }) as const,
        ),
      ];
      if (events.length === 0) return this;
      this.apply(...events);
    }
  }

  private check(): void {
    if (!this.isChecked) return;
    const violations = this.core.violations();
    if (violations.length > 0) throw new Error(violations.join('\n'));
  }
}

type NodeAttached = Extract<KernelEvent, { kind: 'node-attached' }>;

export function refOf(execute: Of<'execute'>): AttemptRef {
  return { tenant: execute.spec.tenant, task: execute.spec.id, attempt: execute.attempt };
}

export function modelOf(
  name: string,
  more: { readonly task?: ModelRegistration['manifest']['task']; readonly mib?: number } = {},
): ModelRegistration {
  return {
    name,
    version: '1',
    digest: name,
    files: [],
    manifest: { task: more.task ?? 'embed', graph: 'model.onnx' },
    footprintBytes: (more.mib ?? 100) * MIB,
    addedWallMs: 1,
  };
}

/** A core with one node and no models. */
export function runningCore(options: CoreOptions = {}): CoreFixture {
  return new CoreFixture(options).knowModels().attachNode();
}
