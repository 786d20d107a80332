/**
 * One seeded run of a whole system around the real core: faults for a while, then none, until all
 * work has ended. The same seed gives the same run.
 */
import type { NodeId } from '@llmos/base';
import { asToken, seededRandom } from '@llmos/base';
import { KernelDriver } from './kernel-driver';
import { ModelNode } from './model-node';
import { ModelStore, nameOf } from './model-store';
import { chooseScenario, type Scenario } from './scenario';
import { VirtualTime } from './virtual-time';
import { World } from './world';
import { CAPABILITIES, MODELS, planCancels, planWorkload } from './workload';

export interface SimulationOptions {
  readonly seed: number;
  /** Instead of the one that the seed stands for. */
  readonly scenario?: Scenario;
  readonly isTracing?: boolean;
}

export interface SimulationOutcome {
  readonly seed: number;
  readonly problems: readonly string[];
  readonly trace: readonly string[];
  readonly tasks: number;
  /** Attempts that were given back. */
  readonly preemptions: number;
  readonly steps: number;
  readonly virtualMs: number;
}

/** Nothing needs longer once faults have stopped: the longest wait is a restart window. */
const QUIET_WITHIN_MS = 10 * 60_000;
const MAX_PROBLEMS = 20;

export function simulate(options: SimulationOptions): SimulationOutcome {
  const random = seededRandom(options.seed);
  const scenario = options.scenario ?? chooseScenario(random);
  const { faults } = scenario;
  const isTracing = options.isTracing === true;
  const world = new World(new VirtualTime(), random, new ModelStore(), { faults, isTracing });
  const system = new System(world, scenario);
  const steps = system.run();
  return {
    seed: options.seed,
    problems: world.problems,
    trace: world.trace,
    tasks: world.store.lastSequence,
    preemptions: world.preemptions,
    steps,
    virtualMs: world.time.nowMs,
  };
}

class System {
  private readonly nodes: ModelNode[] = [];
  private readonly kernels: KernelDriver[] = [];
  private models = MODELS;

  constructor(
    private readonly world: World,
    private readonly scenario: Scenario,
  ) {
    for (let index = 0; index < scenario.nodeCount; index += 1) {
      const nodeId = asToken<NodeId>(`node-${index}`);
      this.nodes.push(new ModelNode(nodeId, world, CAPABILITIES, () => this.kernels));
    }
    this.elect();
    planWorkload(world, scenario, () => {
      if (world.random.chance(scenario.callRate)) this.leader().takeInAhead();
      this.leader().pullTasks();
    });
    planCancels(world, scenario, (tenant, task) => {
      for (const kernel of this.kernels) {
        kernel.deliver({ kind: 'cancel-requested', tenant, task });
      }
    });
    this.planFaults();
  }

  /** Answers the number of steps. */
  run(): number {
    const { time, problems } = this.world;
    let steps = 0;
    const isActive = (): boolean => time.nowMs < this.scenario.activeMs + 20_500;
    const endMs = this.scenario.activeMs + QUIET_WITHIN_MS;
    while ((isActive() || !this.isQuiet()) && time.nowMs < endMs) {
      if (problems.length >= MAX_PROBLEMS || !time.step()) break;
      steps += 1;
    }
    this.judge();
    return steps;
  }

  private leader(): KernelDriver {
    const leader = this.kernels.at(-1);
    if (leader === undefined) throw new Error('no kernel was elected');
    return leader;
  }

  private elect(): void {
    const { time, random } = this.world;
    const epoch = this.kernels.length + 1;
    this.world.log(() => `kernel ${epoch} leads`);
    // Without a zombie the old leader died; with one it does not know yet.
    this.kernels.at(-1)?.replace(random.chance(0.5) ? 0 : random.next() * 4_000);
    const kernel = new KernelDriver(epoch, this.world, this.nodes);
    this.kernels.push(kernel);
    time.after(random.next() * 300, () => {
      kernel.deliver({ kind: 'models-changed', models: this.models });
    });
    for (const node of this.nodes) node.attachTo(kernel, random.next() * 1_500);
  }

  private planFaults(): void {
    const { faults, activeMs } = this.scenario;
    const { time, random } = this.world;
    const plan = (count: number, run: () => void): void => {
      for (let index = 0; index < count; index += 1) time.after(random.next() * activeMs, run);
    };
    plan(faults.hostDeaths, () => this.anyNode().killHost());
    plan(faults.nodeDeaths, () => this.anyNode().die(500 + random.next() * 10_000));
    plan(faults.nodePauses, () => this.anyNode().pause(500 + random.next() * 12_000));
    plan(faults.streamCuts, () => this.anyNode().cut());
    plan(faults.intakeBreaks, () => this.leader().breakIntake(random.next() * 1_500));
    plan(faults.takeovers, () => this.elect());
    plan(faults.kills, () => this.killSome());
    plan(faults.spawns, () => this.spawnSome());
    plan(faults.removals, () => this.removeModel());
    plan(faults.forgedEpochs, () => {
      const next = this.kernels.length + 1;
      this.anyNode().forge(random.chance(0.5) ? Number.MAX_SAFE_INTEGER : next);
    });
    time.after(activeMs, () => {
      this.world.stopFaults();
      this.releaseReplicas();
    });
  }

  private anyNode(): ModelNode {
    const node = this.nodes[this.world.random.below(this.nodes.length)];
    if (node === undefined) throw new Error('a scenario has at least one node');
    return node;
  }

  private killSome(): void {
    const { time, random } = this.world;
    const leader = this.leader();
    const rows = leader.core.processes({ nowMs: time.nowMs, wallMs: time.wallMs() });
    const row = rows[random.below(Math.max(1, rows.length))];
    if (row !== undefined) leader.deliver({ kind: 'kill-requested', pid: asToken(row.pid) });
  }

  private spawnSome(): void {
    const { random, desired } = this.world;
    const model = ['echo', 'alpha', 'beta', 'gamma'][random.below(4)] ?? 'echo';
    const replicas = random.below(3);
    desired.set(model, replicas);
    this.leader().deliver({ kind: 'spawn-requested', request: { model, replicas } });
  }

  /** Replicas that are kept may hold the memory that other work waits for. */
  private releaseReplicas(): void {
    for (const model of this.world.desired.keys()) {
      this.leader().deliver({ kind: 'spawn-requested', request: { model, replicas: 0 } });
    }
  }

  private removeModel(): void {
    const { time, random } = this.world;
    const tell = (): void => {
      for (const kernel of this.kernels) {
        kernel.deliver({ kind: 'models-changed', models: this.models });
      }
    };
    const name = MODELS[random.below(3)]?.name;
    this.models = MODELS.filter((model) => model.name !== name);
    tell();
    time.after(random.next() * 5_000, () => {
      this.models = MODELS;
      tell();
    });
  }

  private isQuiet(): boolean {
    const { store } = this.world;
    const counts = this.leader().core.counts();
    return (
      store.tasks.every((stored) => stored.isAcknowledged) &&
      counts.tasks === 0 &&
      counts.running === 0 &&
      this.nodes.every((node) => node.hosts().every((host) => host.isQuiet))
    );
  }

  /** What must be true in the end. */
  private judge(): void {
    const { world } = this;
    const { store } = world;
    if (world.problems.length > 0) return;
    for (const stored of store.tasks) {
      const name = nameOf(stored.spec);
      if (!store.results.has(name)) world.report(`${name} has no result`);
      if (!stored.isAcknowledged) {
        const { tenant, id } = stored.spec;
        const status = JSON.stringify(this.leader().core.statusOf(tenant, id));
        world.report(`${name} (${stored.spec.sequence}) is not acknowledged: ${status}`);
      }
    }
    if (isCalm(this.scenario)) this.judgeCalm();
    for (const host of this.nodes.flatMap((node) => node.hosts())) {
      if (!host.isQuiet) world.report(`${host.name} has ends that nobody confirmed`);
    }
    const counts = this.leader().core.counts();
    if (counts.running > 0) world.report(`${counts.running} permits are not back`);
    if (counts.tasks > 0) world.report(`${counts.tasks} tasks are still live`);
    for (const name of store.deadLetters) {
      if (!store.results.has(name)) world.report(`dead letter ${name} has no result`);
    }
  }
  /** Lost messages alone fail no task. */
  private judgeCalm(): void {
    const { store } = this.world;
    for (const { spec, script } of store.tasks) {
      const name = nameOf(spec);
      if (script.kind === 'succeeds' && store.results.get(name)?.ok !== true) {
        this.world.report(`${name} failed although nothing but messages was lost`);
      }
    }
  }
}

function isCalm(scenario: Scenario): boolean {
  const { faults, cancelRate, deadlineRate, poisonRate } = scenario;
  const deaths =
    faults.hostDeaths + faults.nodeDeaths + faults.nodePauses + faults.kills + faults.removals;
  const loads = faults.failedLoadRate + faults.hopelessLoadRate + faults.sickNodeRate;
  return deaths + cancelRate + deadlineRate + poisonRate + loads === 0;
}
