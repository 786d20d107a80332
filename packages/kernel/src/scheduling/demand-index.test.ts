/** The index against a scan of everything (K15), which the fixture makes after every event. */
import type {
  FunctionName,
  ModelRegistration,
  NodeId,
  Random,
  TaskId,
  TenantId,
} from '@llmos/base';
import { TASK_CLASSES, asTarget, asToken, seededRandom } from '@llmos/base';
import { CoreFixture, modelOf } from '../core-fixture';
import type { KernelDecision } from '../kernel-decision';
import { CORE_LIMITS } from '../limits';

const MIB = 1024 * 1024;
const NODES = ['a', 'b', 'c', 'd'] as const;
const MODELS = 9;

type Of<Kind extends KernelDecision['kind']> = Extract<KernelDecision, { kind: Kind }>;

/** A system in which everything happens that changes who may be started where. */
class Turmoil {
  private readonly core: CoreFixture;
  private readonly random: Random;
  private starts: Of<'start-process'>[] = [];
  private stops: Of<'stop-process'>[] = [];
  private readonly running: Of<'execute'>[] = [];
  private readonly ready: Of<'start-process'>[] = [];
  private readonly tasks: TaskId[] = [];
  private session = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    // Some take over from an earlier leader.
    const upTo = this.pick([0, 10]);
    this.core = new CoreFixture({ nodeLeaseMs: 8_000, permanentFaultMs: 20_000 }, 2, upTo);
    this.core.knowModels(...Array.from({ length: MODELS }, (_, at) => this.model(at, '1')));
    for (const name of NODES) this.attach(name);
  }

  step(): void {
    const acts: readonly (readonly [number, () => void])[] = [
      [30, () => this.store()],
      [25, () => this.answerStart()],
      [25, () => this.finish()],
      [15, () => this.exit()],
      [15, () => this.core.advance(this.random.next() * 2_000)],
      [8, () => this.spawn()],
      [6, () => this.beat(this.pick(NODES))],
      [8, () => this.measure()],
      [8, () => this.cancel()],
      [3, () => this.crash()],
      [3, () => this.changeModel()],
      [3, () => this.kill()],
      [2, () => this.attach(this.pick(NODES))],
      [2, () => this.detach(this.pick(NODES))],
    ];
    let left = this.random.next() * acts.reduce((sum, [weight]) => sum + weight, 0);
    const chosen = acts.find(([weight]) => (left -= weight) < 0);
    chosen?.[1]();
    this.core.settle();
    this.starts.push(...this.core.take('start-process'));
    this.stops.push(...this.core.take('stop-process'));
    this.running.push(...this.core.take('execute'));
  }

  private pick<T>(of: readonly [T, ...T[]] | readonly T[]): T {
    return of[this.random.below(of.length)] as T;
  }

  private takeOne<T>(from: T[]): T | undefined {
    return from.splice(this.random.below(from.length), 1)[0];
  }

  private model(at: number, version: string): ModelRegistration {
    // Some fit on no node, some on accelerators only.
    const mib = this.pick([60, 90, 120, 250, 400, 700, 1_500]);
    const digest = String(this.random.below(1_000));
    return { ...modelOf(`m${at}`, { mib }), version, addedWallMs: Number(version), digest };
  }

  private attach(name: string): void {
    this.session += 1;
    const cpu = { id: 'cpu', provider: 'cpu' as const, name: 'cpu', capacityBytes: 500 * MIB };
    const gpu = { id: 'gpu', provider: 'webgpu' as const, name: 'gpu', capacityBytes: 900 * MIB };
    this.core.apply({
      kind: 'node-attached',
      nodeId: asToken<NodeId>(name),
      session: `${name}-${this.session}`,
      capabilities: {
        cores: 2,
        memoryBytes: 500 * MIB,
        devices: name === 'a' || name === 'b' ? [gpu, cpu] : [cpu],
        providers: ['cpu'],
        versions: {},
        labels: {},
      },
      processes: [],
    });
  }

  private detach(name: string): void {
    const session = `${name}-${this.session}`;
    this.core.apply({ kind: 'node-detached', nodeId: asToken<NodeId>(name), session });
  }

  private beat(name: string): void {
    const isLeaving = this.random.chance(0.05);
    const nodeId = asToken<NodeId>(name);
    this.core.apply({ kind: 'node-heartbeat', nodeId, freeMemoryBytes: 1, isLeaving });
  }

  private store(): void {
    const model = this.random.below(MODELS + 1);
    const of =
      model === MODELS
        ? {}
        : { function: asToken<FunctionName>('embed'), model: { name: `m${model}` } };
    const spec = this.core.task({
      ...of,
      class: this.pick(TASK_CLASSES),
      priority: this.random.below(10),
      ...(this.random.chance(0.3) ? { deadlineWallMs: this.core.now().wallMs + 3_000 } : {}),
    });
    this.tasks.push(spec.id);
    this.core.store(spec);
  }

  private answerStart(): void {
    const start = this.takeOne(this.starts);
    if (start === undefined) return;
    if (this.random.chance(0.3)) {
      const isRetryable = this.random.chance(0.7);
      const message = 'no room';
      const report = { kind: 'exited', reason: 'load-failed', message, isRetryable } as const;
      this.core.report(start.to, report, start.target);
      return;
    }
    const footprintBytes = start.reservedBytes * (0.8 + this.random.next() * 0.4);
    const { device } = start;
    const permits = 1 + this.random.below(3);
    const report = { kind: 'ready', osPid: 1, permits, footprintBytes, device } as const;
    this.core.report(start.to, report, start.target);
    this.ready.push(start);
  }

  private finish(): void {
    const execute = this.takeOne(this.running);
    if (execute !== undefined) this.core.finish(execute);
  }

  private exit(): void {
    const stop = this.takeOne(this.stops);
    if (stop === undefined) return;
    this.core.report(stop.to, {
      kind: 'exited',
      reason: 'stopped',
      message: 'told to',
      isRetryable: true,
    });
  }

  private crash(): void {
    const start = this.takeOne(this.ready);
    if (start !== undefined) this.core.crash(start.to);
  }

  private spawn(): void {
    const model = `m${this.random.below(MODELS)}${this.pick(['', '@1', '@2'])}`;
    const replicas = this.pick([0, 0, 1, 2, 3]);
    this.core.apply({ kind: 'spawn-requested', request: { model, replicas } });
  }

  private kill(): void {
    const start = this.takeOne(this.ready);
    if (start !== undefined) this.core.apply({ kind: 'kill-requested', pid: start.to.pid });
  }

  private changeModel(): void {
    const at = this.random.below(MODELS);
    const version = this.pick(['1', '2']);
    const model = this.random.chance(0.4) ? undefined : this.model(at, version);
    this.core.apply({ kind: 'model-changed', target: asTarget(`m${at}@${version}`), model });
  }

  private cancel(): void {
    const task = this.takeOne(this.tasks);
    const tenant = asToken<TenantId>('acme');
    if (task !== undefined) this.core.apply({ kind: 'cancel-requested', tenant, task });
  }

  private measure(): void {
    const start = this.takeOne(this.ready);
    if (start === undefined) return;
    this.ready.push(start);
    const { nodeId, pid, incarnation } = start.to;
    const residentBytes = this.random.below(900) * MIB;
    const memory = [{ pid, incarnation, residentBytes }];
    this.core.apply({ kind: 'node-heartbeat', nodeId, freeMemoryBytes: 1, memory });
  }
}

function run(seed: number, steps: number): void {
  const turmoil = new Turmoil(seed);
  for (let at = 0; at < steps; at += 1) {
    try {
      turmoil.step();
    } catch (error) {
      throw new Error(`seed ${seed}, step ${at}`, { cause: error });
    }
  }
}

const SEEDS = Number(process.env['LLMOS_TEST_SEEDS'] ?? 3);

it('knows what a scan would, whatever happens', () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) run(seed, 400);
});

it('knows what a scan would while the table of processes is full', () => {
  const limit = jest.replaceProperty(CORE_LIMITS, 'maxProcesses', 5 as never);
  try {
    for (let seed = 1; seed <= SEEDS; seed += 1) run(seed, 300);
  } finally {
    limit.restore();
  }
});
