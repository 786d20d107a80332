/**
 * A machine with its node agent, which attaches to the leader, starts and stops processes, and
 * reports them. A pause stops everything on it for a while; a death ends it until it starts anew
 * with another session.
 */
import type { NodeId, ProcessReport, ReportedProcess, Target } from '@llmos/base';
import { programTarget, subjects } from '@llmos/base';
import type { KernelDecision, KernelEvent, ProcessAddress } from '@llmos/kernel/testing';
import { encodeMailboxMessage } from '@llmos/wire';
import { Machine, Program } from '../program';
import { CAPABILITIES } from '../workload';
import type { World } from '../world';
import { SimulatedProcess } from './simulated-process';

/** A kernel as node agents see it. */
export interface AttachableKernel {
  readonly isLeading: boolean;
  readonly isAlive: boolean;
  /** False where it does not serve nodes yet: the agent comes again. */
  tell(event: KernelEvent): boolean;
}

export type StartOrder = Extract<KernelDecision, { kind: 'start-process' }>;

interface Hosted {
  readonly address: ProcessAddress;
  readonly target: Target;
  readonly device: string;
  readonly reservedBytes: number;
  report: ProcessReport;
  process: SimulatedProcess | undefined;
}

const PERMITS = 4;
/** Of a node that most loads fail on. */
const SICK_LOAD_RATE = 0.9;
const RETRY_MS = 200;

/** What an agent answers of a process that it does not have. */
const UNKNOWN: Omit<Hosted, 'address'> = {
  target: programTarget('unknown'),
  device: '',
  reservedBytes: 0,
  report: { kind: 'exited', reason: 'stopped', message: 'no such process', isRetryable: false },
  process: undefined,
};

export class SimulatedNode {
  private readonly hosted = new Map<string, Hosted>();
  private leader: AttachableKernel | undefined;
  private session = 1;
  private agent: Program;
  private readonly machine: Machine;
  private readonly isSick: boolean;
  private readonly hopeless = new Map<string, boolean>([['broken@1', true]]);

  constructor(
    readonly nodeId: NodeId,
    private readonly world: World,
    private readonly kernels: () => readonly AttachableKernel[],
  ) {
    const { random, faults, time } = world;
    this.machine = new Machine(time, random.below(1_000_000));
    this.setClock();
    this.agent = new Program(this.machine);
    this.isSick = random.chance(faults.sickNodeRate);
    this.beat();
  }

  /** Whether it could ever run the target. */
  canLoad(target: string): boolean {
    const { random, options } = this.world;
    let isHopeless = this.hopeless.get(target);
    if (isHopeless === undefined) {
      isHopeless = random.chance(options.faults.hopelessLoadRate);
      this.hopeless.set(target, isHopeless);
    }
    return !isHopeless;
  }

  processes(): SimulatedProcess[] {
    return [...this.hosted.values()].flatMap(({ process }) =>
      process?.isAlive === true ? [process] : [],
    );
  }

  /** The agent finds the leader after a moment. */
  attachTo(leader: AttachableKernel, delayMs: number): void {
    this.agent.after(delayMs, () => {
      if (!leader.isLeading) return;
      this.detach();
      const processes = [...this.hosted.values()].map(reportedOf);
      const session = this.sessionName();
      const { nodeId } = this;
      const capabilities = CAPABILITIES;
      if (leader.tell({ kind: 'node-attached', nodeId, session, capabilities, processes })) {
        this.leader = leader;
      } else {
        this.attachTo(leader, RETRY_MS);
      }
    });
  }

  /** The stream breaks; the agent comes back. */
  cut(): void {
    const { leader } = this;
    this.detach();
    if (leader !== undefined) this.attachTo(leader, this.world.random.next() * 2_000);
  }

  pause(forMs: number): void {
    this.world.log(() => `${this.nodeId} pauses for ${Math.round(forMs)} ms`);
    this.machine.standStill(forMs);
  }

  setClock(): void {
    const { random, faults } = this.world;
    this.machine.setWallClock(Math.round((2 * random.next() - 1) * faults.clockSkewMs));
  }

  die(backAfterMs: number): void {
    if (!this.agent.isRunning) return;
    this.world.log(() => `${this.nodeId} dies`);
    for (const process of this.processes()) process.end();
    this.hosted.clear();
    this.detach();
    this.agent.end();
    this.world.time.after(backAfterMs, () => {
      this.world.log(() => `${this.nodeId} starts anew`);
      this.agent = new Program(this.machine);
      this.session += 1;
      const leader = this.kernels().at(-1);
      if (leader !== undefined) this.attachTo(leader, 50);
      this.beat();
    });
  }

  killProcess(): void {
    const alive = [...this.hosted.values()].filter(({ process }) => process?.isAlive === true);
    const hosted = alive[this.world.random.below(Math.max(1, alive.length))];
    if (hosted === undefined) return;
    hosted.process?.end();
    this.crash(hosted);
  }

  /** All that runs here is to be given up, in the name of an epoch that there never was. */
  forge(epoch: number): void {
    this.world.log(() => `${this.nodeId} is sent commands of epoch ${epoch}`);
    for (const { address } of this.hosted.values()) {
      const { pid, incarnation } = address;
      const send = (command: Parameters<typeof encodeMailboxMessage>[0]['command']): void => {
        const message = { epoch, incarnation, command };
        const bytes = encodeMailboxMessage(message, { nowMs: 0, wallMs: 0 });
        const subject = subjects.mailbox({ node: this.nodeId, process: pid });
        this.world.server.publish(subject, bytes);
      };
      send({ kind: 'hello' });
      for (const { tenant, id: task } of this.world.tasks.slice(-20)) {
        for (const attempt of [1, 2]) {
          send({ kind: 'cancel', attempt: { tenant, task, attempt }, reason: 'ABORTED' });
        }
      }
    }
  }

  startProcess(from: AttachableKernel, order: StartOrder): void {
    this.agent.after(1, () => {
      if (this.leader === from) this.start(order);
    });
  }

  stopProcess(from: AttachableKernel, to: ProcessAddress, graceMs: number): void {
    this.agent.after(1, () => {
      if (this.leader === from) this.stop(to, graceMs);
    });
  }

  private start({ to: address, target, device, reservedBytes }: StartOrder): void {
    const present = this.hosted.get(address.pid);
    // An order that was held up by a pause may be older than what runs.
    if (present !== undefined && present.address.incarnation >= address.incarnation) return;
    present?.process?.end();
    const report: ProcessReport = { kind: 'starting' };
    const hosted: Hosted = { address, target, device, reservedBytes, report, process: undefined };
    this.hosted.set(address.pid, hosted);
    const { random } = this.world;
    this.agent.after(20 + random.next() * 400, () => this.load(hosted));
  }

  private load(hosted: Hosted): void {
    if (!this.isHosted(hosted)) return;
    const { random, faults } = this.world;
    const { failedLoadRate, sickNodeRate } = faults;
    const isSick = this.isSick && sickNodeRate > 0;
    if (!this.canLoad(hosted.target)) this.exit(hosted, 'load-failed', false);
    else if (random.chance(isSick ? SICK_LOAD_RATE : failedLoadRate)) {
      this.exit(hosted, 'load-failed', true);
    } else this.launch(hosted);
  }

  private launch(hosted: Hosted): void {
    const { world, machine } = this;
    const { address } = hosted;
    const process = new SimulatedProcess({
      world,
      machine,
      address,
      permits: PERMITS,
      onDeath: () => this.crash(hosted),
    });
    hosted.process = process;
    void process.start().then(() => {
      if (!this.isHosted(hosted) || !process.isAlive) return;
      hosted.report = {
        kind: 'ready',
        osPid: 1000 + world.random.below(9000),
        permits: PERMITS,
        footprintBytes: hosted.reservedBytes,
        device: hosted.device,
      };
      this.tell(hosted);
    });
  }

  private stop(to: ProcessAddress, graceMs: number): void {
    const hosted = this.hosted.get(to.pid);
    if (hosted === undefined) return this.tell({ ...UNKNOWN, address: to });
    if (hosted.address.incarnation !== to.incarnation) return;
    const drained = hosted.process?.drain(graceMs) ?? Promise.resolve();
    void drained.then(() => this.agent.after(10, () => this.exit(hosted, 'stopped', true)));
  }

  private crash(hosted: Hosted): void {
    if (!this.isHosted(hosted)) return;
    this.world.log(() => `${hosted.address.pid}/${hosted.address.incarnation} crashes`);
    this.agent.after(20, () => this.exit(hosted, 'crashed', true));
  }

  private exit(
    hosted: Hosted,
    reason: 'stopped' | 'crashed' | 'load-failed',
    isRetryable: boolean,
  ): void {
    if (!this.isHosted(hosted)) return;
    hosted.process?.end();
    hosted.report = { kind: 'exited', reason, message: reason, isRetryable };
    this.hosted.delete(hosted.address.pid);
    this.tell(hosted);
  }

  private isHosted(hosted: Hosted): boolean {
    return this.hosted.get(hosted.address.pid) === hosted;
  }

  private tell(hosted: Hosted): void {
    const { leader, nodeId } = this;
    const process = reportedOf(hosted);
    if (leader === undefined) return;
    // One ordered stream: no faults but its end.
    this.world.time.after(1, () => {
      if (this.leader === leader) leader.tell({ kind: 'process-changed', nodeId, process });
    });
  }

  private detach(): void {
    const { leader, nodeId } = this;
    this.leader = undefined;
    leader?.tell({ kind: 'node-detached', nodeId, session: this.sessionName() });
  }

  private beat(): void {
    this.agent.every(1_000, () => {
      const { nodeId, leader } = this;
      // The stream ends with the kernel behind it.
      if (leader?.isAlive === false) this.leader = undefined;
      this.leader?.tell({ kind: 'node-heartbeat', nodeId, freeMemoryBytes: 1e9 });
    });
  }

  private sessionName(): string {
    return `${this.nodeId}-${this.session}`;
  }
}

function reportedOf(hosted: Hosted): ReportedProcess {
  const { address, target, device, reservedBytes, report } = hosted;
  const { pid, incarnation } = address;
  return { pid, incarnation, report, target, device, reservedBytes };
}
