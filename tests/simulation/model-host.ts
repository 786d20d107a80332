/**
 * One OS process of a model, as the mailbox and the reports see it. Follows the rules of the
 * process package: epoch guard, one run per attempt, ends repeated until confirmed and remembered
 * for a while after, heartbeats that name everything held or unconfirmed.
 */
import { EpochGuard } from '@llmos/process';
import type { KernelDecision, KernelEvent, ProcessAddress, TaskSpec } from '@llmos/kernel/testing';
import type { AttemptOutcome, AttemptRef } from '@llmos/base';
import { asEpoch, errorBody } from '@llmos/base';
import { nameOf, type StoredTask } from './model-store';
import type { World } from './world';

export type MailboxDecision = Extract<
  KernelDecision,
  {
    kind: 'execute' | 'cancel-attempt' | 'preempt-attempt' | 'confirm-finished' | 'greet-process';
  }
>;

interface Held {
  readonly ref: AttemptRef;
  readonly spec: TaskSpec;
  /** Of the leader that asked for it. */
  readonly epoch: number;
  stop: string | undefined;
}
interface Ended {
  readonly ref: AttemptRef;
  readonly outcome: AttemptOutcome;
  readonly epoch: number;
}

const HEARTBEAT_MS = 1_000;
const RESEND_MS = 700;
const LOOK_MS = 250;

export interface HostParts {
  readonly world: World;
  readonly address: ProcessAddress;
  readonly permits: number;
  /** Over the lossy network, to every kernel. */
  readonly report: (event: KernelEvent) => void;
  /** Runs it once the machine is not paused. */
  readonly onMachine: (delayMs: number, run: () => void) => void;
  /** A poison task kills the whole process. */
  readonly die: () => void;
}

export class ModelHost {
  isAlive = true;
  isDraining = false;
  private readonly guard = new EpochGuard(LOOK_MS);
  private foreignCount = 0;
  private readonly held = new Map<string, Held>();
  private readonly unconfirmed = new Map<string, Ended>();
  private readonly confirmed = new Map<string, Ended>();

  constructor(private readonly parts: HostParts) {
    this.every(HEARTBEAT_MS, () => this.beat());
    this.every(RESEND_MS, () => {
      for (const ended of this.unconfirmed.values()) this.sendEnd(ended);
    });
  }

  get name(): string {
    return `${this.parts.address.pid}/${this.parts.address.incarnation}`;
  }

  get isQuiet(): boolean {
    return this.held.size === 0 && this.unconfirmed.size === 0;
  }

  receiveForged(epoch: number): void {
    const { address: to } = this.parts;
    this.receive(epoch, { kind: 'greet-process', to });
    for (const { ref: attempt } of this.held.values()) {
      this.receive(epoch, { kind: 'cancel-attempt', to, attempt, reason: 'ABORTED' });
    }
  }

  receive(epoch: number, decision: MailboxDecision): void {
    if (!this.isAlive || decision.to.incarnation !== this.parts.address.incarnation) return;
    if (this.guard.judge(epoch) === 'unknown') {
      const lookInMs = this.guard.lookInMs(this.parts.world.time.nowMs);
      if (lookInMs > 0) {
        this.parts.world.time.after(lookInMs, () => this.receive(epoch, decision));
        return;
      }
    }
    if (!this.isOfLeader(epoch)) return;
    if (decision.kind === 'execute') this.accept(epoch, decision);
    else if (decision.kind === 'cancel-attempt') this.cancel(epoch, decision);
    else if (decision.kind === 'preempt-attempt') this.giveBack(decision.attempt);
    else if (decision.kind === 'confirm-finished') this.confirm(decision.attempts);
    else this.beat();
  }

  /** Of another epoch than the known one, only the leader's record is believed. */
  private isOfLeader(epoch: number): boolean {
    const { world } = this.parts;
    const { nowMs } = world.time;
    let verdict = this.guard.judge(epoch);
    if (verdict === 'unknown') {
      const leader = asEpoch(world.store.consumerEpoch);
      if (this.guard.learn(leader, nowMs)) {
        for (const ended of this.unconfirmed.values()) this.sendEnd(ended);
        this.beat();
      }
      verdict = this.guard.settle(epoch);
    }
    if (verdict === 'foreign') this.foreignCount += 1;
    if (verdict === 'current' && epoch > world.store.consumerEpoch) {
      world.report(`${this.name} obeys epoch ${epoch}, which never led`);
    }
    return verdict === 'current';
  }

  private accept(epoch: number, decision: Extract<MailboxDecision, { kind: 'execute' }>): void {
    const { world, permits, address } = this.parts;
    const { spec, attempt } = decision;
    const ref: AttemptRef = { tenant: spec.tenant, task: spec.id, attempt };
    const id = idOf(ref);
    const ended = this.unconfirmed.get(id) ?? this.recall(id);
    if (ended !== undefined) {
      this.sendEnd(ended);
      return;
    }
    if (this.held.has(id)) {
      this.report({ kind: 'attempt-accepted', origin: address, attempt: ref });
      return;
    }
    if (this.isDraining) return;
    for (const other of [...this.held.values()]) {
      if (other.ref.tenant !== ref.tenant || other.ref.task !== ref.task) continue;
      if (other.ref.attempt > attempt) return;
      other.stop = 'ABORTED';
      this.held.delete(idOf(other.ref));
    }
    // Attempts of a replaced leader may be here besides, and late heartbeats tell of the past; else
    // none may be too many.
    const isExact = world.store.consumerEpoch === 1 && world.options.faults.lateRate === 0;
    if (isExact && this.held.size >= permits) {
      world.report(`${address.pid} got more tasks than it has permits`);
    }
    const held: Held = { ref, spec, epoch, stop: undefined };
    this.held.set(id, held);
    this.report({ kind: 'attempt-accepted', origin: address, attempt: ref });
    this.run(held);
  }

  /** A confirmed end, unless a later leader asks, which may never have heard of it. */
  private recall(id: string): Ended | undefined {
    const ended = this.confirmed.get(id);
    if (ended === undefined) return undefined;
    this.confirmed.delete(id);
    if (ended.epoch !== this.guard.epoch) return undefined;
    this.unconfirmed.set(id, ended);
    return ended;
  }

  private run(held: Held): void {
    const { world, onMachine, die } = this.parts;
    const stored = world.store.bySequence(held.spec.sequence);
    if (stored === undefined) return;
    onMachine(stored.workMs, () => {
      if (!this.isAlive || this.held.get(idOf(held.ref)) !== held) return;
      if (held.stop !== undefined) this.end(held, { kind: 'stopped', reason: held.stop });
      else if (stored.script.kind === 'poison') die();
      else this.conclude(held, stored);
    });
  }

  private conclude(held: Held, stored: StoredTask): void {
    const { script } = stored;
    const { world } = this.parts;
    if (script.kind === 'fails-finally') {
      this.fail(held, errorBody('INVALID_ARGUMENT', 'the input is wrong'));
    } else if (script.kind === 'fails-at-first' && held.ref.attempt <= script.failures) {
      this.fail(held, errorBody('UNAVAILABLE', 'not this time'));
    } else {
      const name = nameOf(held.spec);
      const early = world.store.unfinishedBefore(held.spec);
      const isNew = world.store.tryCommit(name, { by: 'host', ok: true });
      if (isNew && early.length > 0) {
        world.report(`${name} has a result before ${early.map(nameOf).join(', ')} of its key`);
      }
      // The host may die in between: the result is there, and nobody was told.
      this.parts.onMachine(world.random.next() * 5, () =>
        this.end(held, { kind: 'committed', ok: true }),
      );
    }
  }

  private fail(held: Held, error: ReturnType<typeof errorBody>): void {
    this.end(held, { kind: 'failed', error });
  }

  /** Takes nothing new; generations go on elsewhere. */
  drain(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    for (const { ref, spec } of [...this.held.values()]) {
      if (spec.function === 'generate') this.giveBack(ref);
    }
  }

  /** At the next token; what ends before that has ended. */
  private giveBack(ref: AttemptRef): void {
    this.parts.onMachine(this.parts.world.random.next() * 60, () => {
      const held = this.held.get(idOf(ref));
      if (held === undefined || !this.isAlive) return;
      if (held.spec.function !== 'generate') {
        this.parts.world.report(`${ref.task}, which is no generation, is asked back`);
      }
      if (held.stop !== undefined) return;
      this.parts.world.preemptions += 1;
      this.end(held, { kind: 'preempted' });
    });
  }

  private end(held: Held, outcome: Ended['outcome']): void {
    const id = idOf(held.ref);
    if (!this.isAlive || this.held.get(id) !== held) return;
    this.held.delete(id);
    // A replaced attempt says nothing of itself.
    if (outcome.kind === 'stopped' && outcome.reason === 'ABORTED') return;
    const ended: Ended = { ref: held.ref, outcome, epoch: this.guard.epoch };
    this.unconfirmed.set(id, ended);
    this.sendEnd(ended);
  }

  private cancel(
    epoch: number,
    decision: Extract<MailboxDecision, { kind: 'cancel-attempt' }>,
  ): void {
    const held = this.held.get(idOf(decision.attempt));
    if (held === undefined) return;
    if (held.epoch > epoch) {
      this.parts.world.report(`leader ${epoch} stopped an attempt of leader ${held.epoch}`);
    }
    held.stop = decision.reason;
    // The next step is a moment away.
    this.parts.onMachine(this.parts.world.random.next() * 200, () => {
      this.end(held, { kind: 'stopped', reason: decision.reason });
    });
  }

  private confirm(attempts: readonly AttemptRef[]): void {
    for (const ref of attempts) {
      const ended = this.unconfirmed.get(idOf(ref));
      if (ended === undefined) continue;
      this.unconfirmed.delete(idOf(ref));
      this.confirmed.set(idOf(ref), { ...ended, epoch: this.guard.epoch });
    }
  }

  private sendEnd(ended: Ended): void {
    const { address: origin } = this.parts;
    const { ref: attempt, outcome } = ended;
    if (outcome.kind === 'preempted') this.report({ kind: 'attempt-preempted', origin, attempt });
    else this.report({ kind: 'attempt-finished', origin, attempt, outcome });
  }

  private beat(): void {
    const running = [...this.held.values(), ...this.unconfirmed.values()].map(({ ref }) => ref);
    const { epoch } = this.guard;
    const said = { epoch, foreign: this.foreignCount };
    this.report({ kind: 'process-heartbeat', origin: this.parts.address, running, ...said });
  }

  private report(event: KernelEvent): void {
    if (this.isAlive) this.parts.report(event);
  }

  private every(periodMs: number, run: () => void): void {
    this.parts.onMachine(periodMs, () => {
      if (!this.isAlive) return;
      run();
      this.every(periodMs, run);
    });
  }
}

function idOf(ref: AttemptRef): string {
  return `${ref.tenant}/${ref.task}/${ref.attempt}`;
}
