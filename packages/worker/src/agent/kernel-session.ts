/**
 * Keeps this node attached to whoever leads: finds the leader, registers, beats, obeys, and starts
 * over with backoff when the stream ends. A change of leader is followed at once.
 *
 * The leader decides what runs here; the node owns what is: its processes, their states and memory.
 * The kernel may assume that a registration is the whole truth of that moment, and that what it is
 * told afterwards on the same line comes in order.
 *
 * - S1: at most one line is open; what comes on an earlier one means nothing any more.
 * - S2: nobody but the leader is obeyed: a command waits at the gate until the leader's record names
 *   its epoch. A kernel that says where the leader is only shows where to dial next.
 * - S3: a registration names every process of this node, and the ends that are remembered.
 * - S4: there is no beat before the welcome, and no line without a welcome for longer than
 *   `welcomeMs`.
 */
import type {
  Logger,
  NodeBeat,
  NodeRegistration,
  ProcessId,
  ReceivedCommand,
  ReportedProcess,
  Target,
} from '@llmos/base';
import { backoffMs } from '@llmos/base';
import { AGENT_LIMITS } from '../limits';
import type { Alarm } from '../ports/alarm';
import type { KernelLine, KernelLink } from '../ports/kernel-link';
import type { NodeProcesses } from './node-processes';

/** Where the leader is, as the system's record says. */
export interface LeaderAddress {
  readonly url: string;
  readonly epoch: number;
}

/** Lets through what the leader says: a kernel of another epoch only once the record names it. */
export interface LeaderGate<Message> {
  /** The leader's, as far as is known. */
  readonly epoch: number;
  offer(epoch: number, message: Message): void;
  close(): void;
}

export interface LeaderGateEvents<Message> {
  readonly pass: (message: Message) => void;
  readonly refuse: (message: Message, of: { readonly epoch: number; readonly why: string }) => void;
}

export interface KernelSessionParts {
  readonly link: KernelLink;
  readonly processes: Pick<NodeProcesses, 'start' | 'stop' | 'refuse'>;
  readonly registration: () => NodeRegistration;
  readonly beat: () => NodeBeat;
  readonly openGate: <Message>(events: LeaderGateEvents<Message>) => LeaderGate<Message>;
  readonly alarm: Alarm;
  /** In [0, 1), for jitter: nodes must not all return in the same moment. */
  readonly random: () => number;
  readonly log: Logger;
}

interface OpenLine {
  readonly line: KernelLine;
  readonly url: string;
  isWelcome: boolean;
  cancelWait: () => void;
}

type LeaderCommand = Exclude<ReceivedCommand, { readonly kind: 'not-leader' }>;

/** A command waits for the record while its line may be closed and another one opened. */
interface Received {
  readonly line: OpenLine;
  readonly command: LeaderCommand;
}

export class KernelSession {
  private leader: LeaderAddress | undefined;
  private open: OpenLine | undefined;
  private cancelRetry: (() => void) | undefined;
  private failures = 0;
  private isLeaving = false;
  private isClosed = false;
  private readonly gate: LeaderGate<Received>;

  constructor(private readonly parts: KernelSessionParts) {
    this.gate = parts.openGate<Received>({
      pass: ({ line, command }) => {
        // S1: its line may have been closed while it waited.
        if (this.open === line) this.obey(command);
      },
      refuse: ({ line }, { epoch, why }) => {
        if (this.open !== line) return;
        parts.log.warn('epoch-refused', { epoch, why, leader: this.gate.epoch });
        this.onClosed(`it speaks for epoch ${epoch}, and the leader's is ${this.gate.epoch}`);
      },
    });
  }

  get isAttached(): boolean {
    return this.open?.isWelcome === true;
  }

  /** The leader's record as it is now; undefined while nobody leads. */
  follow(leader: LeaderAddress | undefined): void {
    const isSame = leader?.url === this.leader?.url && leader?.epoch === this.leader?.epoch;
    if (isSame || this.isClosed) return;
    this.leader = leader;
    this.failures = 0;
    if (leader === undefined) return;
    void this.drop('the leader changed');
    this.attachTo(leader.url);
  }

  processChanged(change: ReportedProcess): void {
    this.open?.line.processChanged(change);
  }

  /** Tells the kernel, now and with each beat, that this node stops. */
  leave(): void {
    this.isLeaving = true;
    if (this.open?.isWelcome === true) this.open.line.heartbeat(this.nextBeat());
  }

  /** Resolves when the kernel has heard what was told before, within a bounded time. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.gate.close();
    this.cancelRetry?.();
    await this.drop('this node stops');
  }

  private attachTo(url: string): void {
    this.cancelRetry?.();
    this.cancelRetry = undefined;
    if (this.isClosed) return;
    const isOpen = (): boolean => this.open === opened;
    const line = this.parts.link.attach(url, this.parts.registration(), {
      command: (epoch, command) => {
        if (isOpen()) this.receive(opened, { epoch, command });
      },
      closed: (reason) => {
        if (isOpen()) this.onClosed(reason);
      },
    });
    const opened: OpenLine = { line, url, isWelcome: false, cancelWait: () => undefined };
    this.open = opened;
    opened.cancelWait = this.parts.alarm.after(AGENT_LIMITS.welcomeMs, () => {
      if (isOpen()) this.onClosed(`no welcome after ${AGENT_LIMITS.welcomeMs} ms`);
    });
  }

  private receive(
    line: OpenLine,
    of: { readonly epoch: number; readonly command: ReceivedCommand },
  ): void {
    const { epoch, command } = of;
    if (command.kind === 'not-leader') this.onClosed('it does not lead', command.leaderUrl);
    else this.gate.offer(epoch, { line, command });
  }

  private obey(command: LeaderCommand): void {
    switch (command.kind) {
      case 'welcome':
        this.onWelcome(command.heartbeatMs);
        return;
      case 'start':
        this.start(command);
        return;
      case 'stop':
        this.parts.processes.stop(command);
        return;
    }
  }

  private start(command: Extract<ReceivedCommand, { kind: 'start' }>): void {
    const { pid, incarnation, spec } = command;
    if (!('unreadable' in spec)) {
      this.parts.processes.start({ pid, incarnation, spec });
      return;
    }
    this.parts.log.warn('order-unreadable', { pid, why: spec.unreadable });
    this.parts.processes.refuse(
      refusedOrder(pid, incarnation, spec.target),
      spec.unreadable,
      false,
    );
  }

  private onWelcome(heartbeatMs: number): void {
    const { open } = this;
    if (open === undefined || open.isWelcome) return;
    // S4.
    open.cancelWait();
    open.isWelcome = true;
    this.failures = 0;
    this.parts.log.info('attached', { kernel: open.url, heartbeatMs });
    this.beat(open, heartbeatMs);
  }

  private beat(open: OpenLine, heartbeatMs: number): void {
    if (this.open !== open) return;
    open.line.heartbeat(this.nextBeat());
    open.cancelWait = this.parts.alarm.after(heartbeatMs, () => this.beat(open, heartbeatMs));
  }

  private nextBeat(): NodeBeat {
    return this.isLeaving ? { ...this.parts.beat(), isLeaving: true } : this.parts.beat();
  }

  /** @param elsewhere where the kernel says the leader is. */
  private onClosed(reason: string, elsewhere?: string): void {
    const url = this.open?.url;
    void this.drop(reason);
    if (this.isClosed) return;
    this.failures += 1;
    const fullMs = backoffMs(AGENT_LIMITS.attachRetry, this.failures);
    const waitMs = fullMs * (0.5 + this.parts.random() / 2);
    this.parts.log.warn('detached', { kernel: url, reason, retryAfterMs: Math.round(waitMs) });
    this.cancelRetry = this.parts.alarm.after(waitMs, () => {
      const next = elsewhere ?? this.leader?.url;
      if (next !== undefined) this.attachTo(next);
    });
  }

  private async drop(reason: string): Promise<void> {
    const { open } = this;
    if (open === undefined) return;
    this.open = undefined;
    open.cancelWait();
    this.parts.log.debug('line-closed', { kernel: open.url, reason });
    await open.line.close();
  }
}

function refusedOrder(pid: ProcessId, incarnation: number, target: Target) {
  return { pid, incarnation, spec: { target, device: 'cpu', reservedBytes: 0 } };
}
