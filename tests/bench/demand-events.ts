/**
 * `node tests/dist/bench/demand-events.js [--models N] [--nodes N] [--blocked N] [--events N]`: what
 * one event costs the kernel's core, without NATS, while models wait for memory that nothing gives
 * back. Every node is full of models that are kept by spawn requests.
 *
 * Prints figures as JSON: of a task of an idle model (stored, planned, finished, planned), of one
 * more task of a model that waits, and of a node's heartbeat.
 */
import type { FunctionName, ModelRegistration, NodeId, TaskId, TenantId } from '@llmos/base';
import { asEpoch, asToken } from '@llmos/base';
import { createKernelCore } from '@llmos/kernel/testing';
import type { KernelCore, KernelDecision, KernelEvent, TaskSpec } from '@llmos/kernel/testing';
import { numberOption } from './number-option';

const WALL_MS = 1_800_000_000_000;
const MIB = 1024 * 1024;
const MODEL_BYTES = 100 * MIB;

interface Size {
  readonly models: number;
  readonly nodes: number;
  /** Models that tasks wait for, and that fit nowhere. */
  readonly blocked: number;
}

/** A core on a clock that moves a little with every event. */
class Bench {
  private readonly core: KernelCore = createKernelCore({ nodeLeaseMs: 3_600_000 });
  private nowMs = 0;
  private sequence = 0;

  /** @returns what was decided until nothing more was to be planned. */
  apply(...events: readonly KernelEvent[]): KernelDecision[] {
    this.nowMs += 0.01;
    const decisions: KernelDecision[] = [];
    const now = { nowMs: this.nowMs, wallMs: WALL_MS + this.nowMs };
    for (const event of events) this.core.apply(event, now);
    do decisions.push(...this.core.plan(now));
    while ((this.core.nextWakeMs() ?? Number.POSITIVE_INFINITY) <= this.nowMs);
    return decisions;
  }

  store(...models: readonly number[]): KernelDecision[] {
    return this.apply(...models.map((model) => this.stored(model)));
  }

  private stored(model: number): KernelEvent {
    this.sequence += 1;
    const spec: TaskSpec = {
      tenant: asToken<TenantId>('acme'),
      id: asToken<TaskId>(`s${this.sequence}`),
      hasOwnId: false,
      function: asToken<FunctionName>('embed'),
      model: { name: nameOf(model) },
      class: 'standard',
      priority: 5,
      hasOwnPriority: false,
      sequence: this.sequence,
      storedWallMs: WALL_MS,
      maxAttempts: 3,
      stream: false,
      format: 'json',
    };
    return { kind: 'task-stored', spec };
  }

  startAll(decisions: readonly KernelDecision[]): void {
    for (const decision of decisions) {
      if (decision.kind !== 'start-process') continue;
      const { to, target, device, reservedBytes } = decision;
      const permits = 8;
      const footprintBytes = reservedBytes;
      const report = { kind: 'ready', osPid: 1, permits, footprintBytes, device } as const;
      const { nodeId, ...of } = to;
      const process = { ...of, report, target, device, reservedBytes };
      this.apply({ kind: 'process-changed', nodeId, process });
    }
  }

  finishAll(decisions: readonly KernelDecision[]): number {
    let count = 0;
    for (const decision of decisions) {
      if (decision.kind !== 'execute') continue;
      const { spec, to: origin } = decision;
      const attempt = { tenant: spec.tenant, task: spec.id, attempt: decision.attempt };
      const outcome = { kind: 'committed', ok: true } as const;
      this.apply({ kind: 'attempt-finished', origin, attempt, outcome });
      count += 1;
    }
    return count;
  }
}

const nameOf = (model: number): string => `model-${String(model).padStart(5, '0')}`;
const nodeOf = (node: number): NodeId => asToken<NodeId>(`node-${node}`);

function registrationOf(model: number): ModelRegistration {
  return {
    name: nameOf(model),
    version: '1',
    digest: nameOf(model),
    files: [],
    manifest: { task: 'embed', graph: 'model.onnx' },
    footprintBytes: MODEL_BYTES,
    addedWallMs: 1,
  };
}

function fullSystem({ models, nodes, blocked }: Size): Bench {
  const bench = new Bench();
  const kept = Array.from({ length: models }, (_, at) => ({ model: nameOf(at), replicas: 1 }));
  const all = Array.from({ length: models + blocked }, (_, at) => registrationOf(at));
  bench.apply(
    {
      kind: 'leadership-began',
      epoch: asEpoch(1),
      kernelId: asToken('kernel'),
      recoverUpToSequence: 0,
      desired: kept,
    },
    { kind: 'models-changed', models: all },
  );
  // Room for exactly what is kept, beside the headroom.
  const capacityBytes = Math.ceil((Math.ceil(models / nodes) * MODEL_BYTES) / 0.9);
  const attached = Array.from({ length: nodes }, (_, at): KernelEvent => ({
    kind: 'node-attached',
    nodeId: nodeOf(at),
    session: `node-${at}`,
    capabilities: {
      cores: 2,
      memoryBytes: capacityBytes,
      devices: [{ id: 'cpu', provider: 'cpu', name: 'cpu', capacityBytes }],
      providers: ['cpu'],
      versions: {},
      labels: {},
    },
    processes: [],
  }));
  bench.startAll(bench.apply(...attached));
  bench.store(...Array.from({ length: blocked }, (_, at) => models + at));
  return bench;
}

interface Times {
  readonly what: string;
  readonly events: number;
  readonly act: (at: number) => void;
}

/** Median, and the mean of the CPU time, which other programs of the machine don't change. */
function measure({ what, events, act }: Times): object[] {
  const times: number[] = [];
  const cpuBefore = process.cpuUsage();
  for (let at = 0; at < events; at += 1) {
    const beginMs = performance.now();
    act(at);
    times.push(performance.now() - beginMs);
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpuMs = (user + system) / 1_000 / events;
  const median = times.sort((a, b) => a - b)[events >> 1] ?? 0;
  const round = (ms: number): number => Number(ms.toFixed(4));
  return [
    { name: `${what}, median`, value: round(median), unit: 'ms' },
    { name: `${what}, CPU`, value: round(cpuMs), unit: 'ms' },
  ];
}

function main(args: readonly string[]): void {
  const size: Size = {
    models: numberOption(args, '--models', 500),
    nodes: numberOption(args, '--nodes', 50),
    blocked: numberOption(args, '--blocked', 50),
  };
  const events = numberOption(args, '--events', 200);
  const bench = fullSystem(size);
  let finished = 0;
  const idle = measure({
    what: 'a task of an idle model',
    events,
    act: (at) => (finished += bench.finishAll(bench.store(at % size.models))),
  });
  if (finished !== events) throw new Error(`${finished} of ${events} tasks were finished`);
  const waiting = measure({
    what: 'one more task of a model that waits',
    events: size.blocked === 0 ? 1 : events,
    act: (at) => bench.store(size.models + (at % Math.max(1, size.blocked))),
  });
  const beat = measure({
    what: 'a heartbeat of a node',
    events,
    act: (at) => {
      const nodeId = nodeOf(at % size.nodes);
      bench.apply({ kind: 'node-heartbeat', nodeId, freeMemoryBytes: 1 });
    },
  });
  console.log(JSON.stringify({ size, figures: [...idle, ...waiting, ...beat] }));
}

main(process.argv.slice(2));
