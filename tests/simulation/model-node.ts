/**
 * A machine: its agent attaches to the leader, starts and stops hosts, and reports them. A pause
 * stops everything on it for a while; a death ends it until it starts anew with another session.
 */
import type { NodeId, ProcessReport, ReportedProcess } from '@llmos/base';
import type { KernelDecision, NodeCapabilities, ProcessAddress } from '@llmos/kernel/testing';
import type { KernelDriver } from './kernel-driver';
import { ModelHost, type MailboxDecision } from './model-host';
import { MODELS } from './workload';
import type { World } from './world';

interface Slot {
  readonly address: ProcessAddress;
  readonly target: string;
  readonly device: string;
  readonly reservedBytes: number;
  report: ProcessReport;
  host: ModelHost | undefined;
}

const PERMITS = 4;
/** Of a node that most loads fail on. */
const SICK_LOAD_RATE = 0.9;

/** What an agent answers of a process that it does not have. */
const UNKNOWN: Omit<Slot, 'address'> = {
  target: '',
  device: '',
  reservedBytes: 0,
  report: { kind: 'exited', reason: 'stopped', message: 'no such process', isRetryable: false },
  host: undefined,
};

export class ModelNode {
  private readonly slots = new Map<string, Slot>();
  private leader: KernelDriver | undefined;
  private session = 1;
  private isUp = true;
  private pausedUntilMs = 0;
  /** Rises with every death: what was planned before does not happen. */
  private life = 0;
  private readonly isSick: boolean;
  private readonly hopeless: ReadonlySet<string>;

  constructor(
    readonly nodeId: NodeId,
    private readonly world: World,
    private readonly capabilities: NodeCapabilities,
    private readonly kernels: () => readonly KernelDriver[],
  ) {
    const { random, faults } = world;
    this.isSick = random.chance(faults.sickNodeRate);
    const targets = MODELS.map(({ name, version }) => `${name}@${version}`);
    const isHopeless = () => random.chance(faults.hopelessLoadRate);
    this.hopeless = new Set(targets.filter(isHopeless).concat('broken@1'));
    this.beat();
  }

  /** Whether it could ever run the target. */
  canLoad(target: string): boolean {
    return !this.hopeless.has(target);
  }

  hosts(): ModelHost[] {
    return [...this.slots.values()].flatMap(({ host }) => (host?.isAlive === true ? [host] : []));
  }

  /** The agent finds the leader after a moment. */
  attachTo(leader: KernelDriver, delayMs: number): void {
    this.onMachine(delayMs, () => {
      if (!leader.isLeading) return;
      this.detach();
      this.leader = leader;
      const processes = [...this.slots.values()].map(reportedOf);
      const { nodeId, capabilities } = this;
      const session = `${nodeId}-${this.session}`;
      leader.deliver({ kind: 'node-attached', nodeId, session, capabilities, processes });
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
    this.pausedUntilMs = this.world.time.nowMs + forMs;
  }

  die(backAfterMs: number): void {
    if (!this.isUp) return;
    this.world.log(() => `${this.nodeId} dies`);
    for (const host of this.hosts()) host.isAlive = false;
    this.slots.clear();
    this.detach();
    this.isUp = false;
    this.life += 1;
    this.world.time.after(backAfterMs, () => {
      this.world.log(() => `${this.nodeId} starts anew`);
      this.isUp = true;
      this.session += 1;
      const leader = this.kernels().at(-1);
      if (leader !== undefined) this.attachTo(leader, 50);
      this.beat();
    });
  }

  killHost(): void {
    const alive = [...this.slots.values()].filter(({ host }) => host?.isAlive === true);
    const slot = alive[this.world.random.below(Math.max(1, alive.length))];
    if (slot !== undefined) this.crash(slot);
  }

  mailbox(epoch: number, decision: MailboxDecision): void {
    this.onMachine(0, () => {
      this.slots.get(decision.to.pid)?.host?.receive(epoch, decision);
    });
  }

  /** All that runs here is to be given up, in the name of an epoch that there never was. */
  forge(epoch: number): void {
    this.world.log(() => `${this.nodeId} is sent commands of epoch ${epoch}`);
    for (const { host } of this.slots.values()) host?.receiveForged(epoch);
  }

  command(
    from: KernelDriver,
    decision: Extract<KernelDecision, { kind: 'start-process' | 'stop-process' }>,
  ): void {
    this.onMachine(1, () => {
      if (this.leader !== from) return;
      if (decision.kind === 'start-process') this.start(decision);
      else this.stop(decision.to, decision.graceMs);
    });
  }

  private start(decision: Extract<KernelDecision, { kind: 'start-process' }>): void {
    const { to: address, target, device, reservedBytes } = decision;
    const present = this.slots.get(address.pid);
    // An order that was held up by a pause may be older than what runs.
    if (present !== undefined && present.address.incarnation >= address.incarnation) return;
    if (present?.host !== undefined) present.host.isAlive = false;
    const report: ProcessReport = { kind: 'starting' };
    const slot: Slot = { address, target, device, reservedBytes, report, host: undefined };
    this.slots.set(address.pid, slot);
    const { random } = this.world;
    this.onMachine(20 + random.next() * 400, () => {
      if (this.slots.get(address.pid) !== slot) return;
      const { failedLoadRate, sickNodeRate } = this.world.faults;
      const isSick = this.isSick && sickNodeRate > 0;
      if (!this.canLoad(target)) this.exit(slot, 'load-failed', false);
      else if (random.chance(isSick ? SICK_LOAD_RATE : failedLoadRate)) {
        this.exit(slot, 'load-failed', true);
      } else this.becomeReady(slot);
    });
  }

  private becomeReady(slot: Slot): void {
    const { world } = this;
    slot.report = {
      kind: 'ready',
      osPid: 1000 + world.random.below(9000),
      permits: PERMITS,
      footprintBytes: slot.reservedBytes,
      device: slot.device,
    };
    slot.host = new ModelHost({
      world,
      address: slot.address,
      permits: PERMITS,
      report: (event) => {
        for (const kernel of this.kernels()) world.send(() => kernel.deliver(event));
      },
      onMachine: (delayMs, run) => this.onMachine(delayMs, run),
      die: () => this.crash(slot),
    });
    this.tell(slot);
  }

  private stop(to: ProcessAddress, graceMs: number): void {
    const slot = this.slots.get(to.pid);
    if (slot === undefined) {
      this.tell({ ...UNKNOWN, address: to });
      return;
    }
    if (slot.address.incarnation !== to.incarnation) return;
    slot.host?.drain();
    const untilMs = this.world.time.nowMs + graceMs;
    const check = (): void => {
      if (this.slots.get(to.pid) !== slot) return;
      const isOver = this.world.time.nowMs >= untilMs || (slot.host?.isQuiet ?? true);
      if (isOver) this.exit(slot, 'stopped', true);
      else this.onMachine(50, check);
    };
    this.onMachine(10, check);
  }

  private crash(slot: Slot): void {
    if (this.slots.get(slot.address.pid) !== slot) return;
    this.world.log(() => `${slot.address.pid}/${slot.address.incarnation} crashes`);
    if (slot.host !== undefined) slot.host.isAlive = false;
    this.onMachine(20, () => this.exit(slot, 'crashed', true));
  }

  private exit(
    slot: Slot,
    reason: 'stopped' | 'crashed' | 'load-failed',
    isRetryable: boolean,
  ): void {
    if (this.slots.get(slot.address.pid) !== slot) return;
    if (slot.host !== undefined) slot.host.isAlive = false;
    slot.report = { kind: 'exited', reason, message: reason, isRetryable };
    this.slots.delete(slot.address.pid);
    this.tell(slot);
  }

  private tell(slot: Slot): void {
    const { leader, nodeId } = this;
    const process = reportedOf(slot);
    if (leader === undefined) return;
    // One ordered stream: no faults but its end.
    this.world.time.after(1, () => {
      if (this.leader === leader) leader.deliver({ kind: 'process-changed', nodeId, process });
    });
  }

  private detach(): void {
    const { leader, nodeId } = this;
    this.leader = undefined;
    const session = `${nodeId}-${this.session}`;
    leader?.deliver({ kind: 'node-detached', nodeId, session });
  }

  private beat(): void {
    this.onMachine(1_000, () => {
      const { nodeId, leader } = this;
      // The stream ends with the kernel behind it.
      if (leader !== undefined && !leader.isAlive) this.leader = undefined;
      this.leader?.deliver({ kind: 'node-heartbeat', nodeId, freeMemoryBytes: 1e9 });
      this.beat();
    });
  }

  private onMachine(delayMs: number, run: () => void): void {
    const { life } = this;
    const { time } = this.world;
    time.after(delayMs, () => {
      if (this.life !== life || !this.isUp) return;
      if (time.nowMs < this.pausedUntilMs) {
        this.onMachine(this.pausedUntilMs - time.nowMs, run);
      } else {
        run();
      }
    });
  }
}

function reportedOf(slot: Slot): ReportedProcess {
  const { address, target, device, reservedBytes, report } = slot;
  const { pid, incarnation } = address;
  return { pid, incarnation, report, target, device, reservedBytes };
}
