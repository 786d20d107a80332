/**
 * One seeded run of a whole system: real kernels and real processes on simulated machines, a
 * simulated server and network. Faults for a while, then none, until all work has ended. The same
 * seed gives the same run.
 */
import type { KernelId, NodeId, TaskId, TenantId } from '@llmos/base';
import {
  LEADER_SUBJECT,
  LEADER_STREAM,
  STREAMS,
  asToken,
  encodeJson,
  seededRandom,
  silentLogger,
} from '@llmos/base';
import { Registry } from '@llmos/kernel/testing';
import { Judgement } from './judgement';
import type { CoreWork } from './kernel/checked-core';
import { SimulatedKernel } from './kernel/simulated-kernel';
import { SimulatedNode } from './node/simulated-node';
import { chooseScenario, type Scenario } from './scenario';
import type { TableWork } from './table-work';
import { World } from './world';
import { modelsOf, planCancels, planWorkload } from './workload';

export interface SimulationOptions {
  readonly seed: number;
  /** Instead of the one that the seed stands for. */
  readonly scenario?: Scenario;
  readonly isTracing?: boolean;
  /** See WorldOptions. */
  readonly isDigesting?: boolean;
  /** Counts what the cores do with their tables. */
  readonly tables?: TableWork;
}

/** What was done in a run, counted. */
export interface Work extends CoreWork {
  /** Planned things that happened. */
  steps: number;
  /** Requests to the stores, and messages of core NATS. */
  requests: number;
  messages: number;
}

export interface SimulationOutcome {
  readonly seed: number;
  readonly problems: readonly string[];
  readonly trace: readonly string[];
  readonly tasks: number;
  /** Attempts that were given back. */
  readonly preemptions: number;
  readonly work: Work;
  readonly virtualMs: number;
  /** Of everything that happened; '' unless it was asked for. */
  readonly digest: string;
}

/** Nothing needs longer once faults have stopped: the longest wait is a restart window. */
const QUIET_WITHIN_MS = 10 * 60_000;
const MAX_PROBLEMS = 20;
/** Between two looks whether all is quiet. */
const QUIET_LOOK_MS = 100;

/** One for all runs: what it compiles for the built-in functions takes longer than many runs. */
const registry = new Registry(silentLogger);

export async function simulate(options: SimulationOptions): Promise<SimulationOutcome> {
  const random = seededRandom(options.seed);
  const scenario = options.scenario ?? chooseScenario(random, options.seed);
  const { faults } = scenario;
  const isTracing = options.isTracing === true;
  const isDigesting = options.isDigesting === true;
  const world = new World(random, { faults, isTracing, isDigesting });
  const system = new System(world, scenario, options.tables);
  await system.run();
  return {
    seed: options.seed,
    problems: world.problems,
    trace: world.trace,
    tasks: world.tasks.length,
    preemptions: world.preemptions,
    work: system.work(),
    virtualMs: world.time.nowMs,
    digest: isDigesting ? world.digest() : '',
  };
}

class System {
  private readonly nodes = new Map<string, SimulatedNode>();
  private readonly kernels: SimulatedKernel[] = [];
  private readonly coreWork: CoreWork = {
    events: 0,
    plans: 0,
    decisions: 0,
    tableSteps: 0,
    mostTableSteps: 0,
  };
  private readonly judgement: Judgement;
  private nextLookMs = 0;

  constructor(
    private readonly world: World,
    private readonly scenario: Scenario,
    private readonly tables: TableWork | undefined,
  ) {
    this.judgement = new Judgement(world, (name, epoch) =>
      this.kernel(epoch)?.noteAcknowledged(name),
    );
    world.server.onAcknowledged = (epoch, sequence) => this.acknowledge(epoch, sequence);
    registry.applyModels({ kind: 'models-changed', models: modelsOf(scenario) });
    for (let index = 0; index < scenario.nodeCount; index += 1) {
      const nodeId = asToken<NodeId>(`node-${index}`);
      this.nodes.set(nodeId, new SimulatedNode(nodeId, world, () => this.kernels));
    }
    this.elect();
    this.planWork();
    this.planFaults();
  }

  async run(): Promise<void> {
    const { time, problems } = this.world;
    const activeMs = this.scenario.activeMs + 20_500;
    const endMs = this.scenario.activeMs + QUIET_WITHIN_MS;
    await time.runUntil(() => {
      if (problems.length >= MAX_PROBLEMS || time.nowMs >= endMs) return true;
      return time.nowMs >= activeMs && this.isQuiet();
    });
    this.judge();
    for (const kernel of this.kernels) kernel.stop();
  }

  work(): Work {
    const { time, server } = this.world;
    const { requests, published: messages } = server;
    return { ...this.coreWork, steps: time.steps, requests, messages };
  }

  private leader(): SimulatedKernel {
    const leader = this.kernels.at(-1);
    if (leader === undefined) throw new Error('no kernel was elected');
    return leader;
  }

  private kernel(epoch: number): SimulatedKernel | undefined {
    return this.kernels[epoch - 1];
  }

  private elect(): void {
    const { world, nodes, coreWork: work } = this;
    const { random } = world;
    const kernelId = `kernel-${this.kernels.length + 1}` as KernelId;
    const record = { kernelId, epoch: 0, httpUrl: '', grpcUrl: '', isReleased: false };
    const data = encodeJson(record);
    const granted = world.server.store(LEADER_STREAM, {
      subject: LEADER_SUBJECT,
      data,
      header: undefined,
    });
    if (granted.kind !== 'stored') throw new Error('the lease was not granted');
    const epoch = granted.message.seq;
    world.epoch = epoch;
    world.log(() => `kernel ${epoch} leads`);
    // Without a zombie the old leader died; with one it does not know yet.
    const old = this.kernels.at(-1);
    const zombieMs = random.chance(0.5) ? 0 : random.next() * 4_000;
    if (zombieMs === 0) old?.stop();
    else old?.replace(zombieMs);
    const checkEvery = this.scenario.modelCount > 0 ? 50 : 3;
    const tables = this.tables === undefined ? {} : { tables: this.tables };
    const parts = { world, epoch, nodes, registry, work, checkEvery, ...tables };
    const kernel = new SimulatedKernel(parts);
    this.kernels.push(kernel);
    for (const node of nodes.values()) node.attachTo(kernel, random.next() * 1_500);
  }

  private planWork(): void {
    const { world, scenario } = this;
    planWorkload(world, scenario, (task) => {
      if (world.random.chance(scenario.callRate)) this.leader().takeInAhead(task);
      for (const kernel of this.kernels) kernel.taskStream.noteStored(task.class);
    });
    planCancels(world, scenario, (tenant: TenantId, task: TaskId) => {
      for (const kernel of this.kernels) kernel.cancel(tenant, task);
    });
  }

  private planFaults(): void {
    const { faults, activeMs } = this.scenario;
    const { time, random, server } = this.world;
    const plan = (count: number, run: () => void): void => {
      for (let index = 0; index < count; index += 1) time.after(random.next() * activeMs, run);
    };
    plan(faults.processDeaths, () => this.anyNode().killProcess());
    plan(faults.nodeDeaths, () => this.anyNode().die(500 + random.next() * 10_000));
    plan(faults.nodePauses, () => this.anyNode().pause(500 + random.next() * 12_000));
    plan(faults.kernelPauses, () => this.leader().pause(500 + random.next() * 4_000));
    plan(faults.streamCuts, () => this.anyNode().cut());
    plan(faults.intakeBreaks, () => this.leader().taskStream.breakFor(random.next() * 1_500));
    plan(faults.storesAway, () => server.goAway(this.anyStore(), random.next() * 8_000));
    plan(faults.fullStores, () => this.fillStore(random.next() * 10_000));
    plan(faults.takeovers, () => this.elect());
    plan(faults.lapses, () => this.leader().lapse(random.next() * 4_000));
    plan(faults.clockJumps, () => (random.chance(0.5) ? this.anyNode() : this.leader()).setClock());
    plan(faults.kills, () => this.killSome());
    plan(faults.spawns, () => this.spawnSome());
    plan(faults.removals, () => this.removeModel());
    plan(faults.forgedEpochs, () => {
      // Of none that will ever lead: what is late would be believed then.
      const above = this.kernels.length + faults.takeovers + 1;
      this.anyNode().forge(random.chance(0.5) ? Number.MAX_SAFE_INTEGER : above);
    });
    time.after(activeMs, () => {
      this.world.stopFaults();
      this.releaseReplicas();
    });
  }

  private anyNode(): SimulatedNode {
    const all = [...this.nodes.values()];
    const node = all[this.world.random.below(all.length)];
    if (node === undefined) throw new Error('a scenario has at least one node');
    return node;
  }

  private anyStore(): string {
    const names = Object.values(STREAMS).filter((name) => name !== STREAMS.events);
    return names[this.world.random.below(names.length)] ?? STREAMS.results;
  }

  private fillStore(forMs: number): void {
    const { time, random, server } = this.world;
    const name = random.chance(0.5) ? STREAMS.results : STREAMS.answers;
    const stream = server.stream(name);
    this.world.log(() => `${name} is full for ${Math.round(forMs)} ms`);
    stream.isFull = true;
    time.after(forMs, () => (stream.isFull = false));
  }

  private acknowledge(epoch: number, sequence: number): void {
    const { world } = this;
    // The consumer of a replaced leader is deleted.
    if (world.consumerEpoch !== epoch || this.kernel(epoch)?.taskStream.isCut === true) return;
    this.judgement.judgeGone(sequence, epoch);
    world.server.stream(STREAMS.tasks).remove(sequence);
  }

  private killSome(): void {
    const { time, random } = this.world;
    const leader = this.leader();
    const rows = leader.core.processes({ nowMs: time.nowMs, wallMs: time.wallMs() });
    const row = rows[random.below(Math.max(1, rows.length))];
    if (row !== undefined) leader.call('kill', { pid: row.pid });
  }

  private spawnSome(): void {
    const { random } = this.world;
    const model = ['echo', 'alpha', 'beta', 'gamma'][random.below(4)] ?? 'echo';
    this.leader().call('spawn', { model, replicas: random.below(3) });
  }

  /** Replicas that are kept may hold the memory that other work waits for. */
  private releaseReplicas(): void {
    const { time, desired } = this.world;
    for (const model of desired.keys()) this.leader().call('spawn', { model, replicas: 0 });
    // Nobody may have heard it, or not while it led, or one that was asked before is on its way.
    if (time.nowMs < this.scenario.activeMs + 10_000) {
      time.after(1_000, () => this.releaseReplicas());
    }
  }

  private removeModel(): void {
    const { time, random } = this.world;
    const models = modelsOf(this.scenario);
    const name = models[random.below(3)]?.name;
    const rest = models.filter((model) => model.name !== name);
    registry.applyModels({ kind: 'models-changed', models: rest });
    time.after(random.next() * 5_000, () => {
      registry.applyModels({ kind: 'models-changed', models });
    });
  }

  /** Looked at now and then: it takes longer than a step. */
  private isQuiet(): boolean {
    const { time, tasks } = this.world;
    if (time.nowMs < this.nextLookMs) return false;
    this.nextLookMs = time.nowMs + QUIET_LOOK_MS;
    const counts = this.leader().core.counts();
    return (
      tasks.every((task) => task.isAcknowledged) &&
      counts.tasks === 0 &&
      counts.running === 0 &&
      this.processes().every((process) => process.isQuiet)
    );
  }

  private processes() {
    return [...this.nodes.values()].flatMap((node) => node.processes());
  }

  private judge(): void {
    const { world } = this;
    if (world.problems.length > 0) return;
    const { core } = this.leader();
    this.judgement.judgeEnd(this.scenario, ({ tenant, id }) =>
      JSON.stringify(core.statusOf(tenant, id)),
    );
    for (const process of this.processes()) {
      if (!process.isQuiet) world.report(`${process.name} has ends that nobody confirmed`);
    }
    const counts = core.counts();
    if (counts.running > 0) world.report(`${counts.running} permits are not back`);
    if (counts.tasks > 0) world.report(`${counts.tasks} tasks are still live`);
  }
}
