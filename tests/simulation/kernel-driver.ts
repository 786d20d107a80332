/**
 * A kernel around the real core: delivers events, plans soon after, carries decisions out against
 * the model store and the model nodes, and checks the invariants after every step.
 *
 * A replaced leader goes on as a zombie for a while: its commands still leave, its acknowledgements
 * touch nothing.
 */
import type { KernelId, TaskClass } from '@llmos/base';
import { asEpoch, assertNever, errorBody, type Instant } from '@llmos/base';
import {
  createKernelCore,
  type Arrival,
  type KernelCore,
  type KernelDecision,
  type KernelEvent,
  type TaskSpec,
} from '@llmos/kernel/testing';
import type { MailboxDecision } from './model-host';
import type { ModelNode } from './model-node';
import type { StoredTask } from './model-store';
import { nameOf } from './model-store';
import type { World } from './world';

type Acknowledge = Extract<KernelDecision, { kind: 'acknowledge' }>;

export class KernelDriver {
  readonly core: KernelCore;
  isAlive = true;
  isLeading = true;
  private isPlanSoon = false;
  private wakeAtMs = Number.POSITIVE_INFINITY;
  private delivered = 0;
  private readonly highest = new Map<TaskClass, number>();
  /** Given to the core, and not acknowledged by it. */
  private readonly held = new Set<number>();
  /** Acknowledged by it before they were delivered. */
  private readonly undelivered = new Map<number, Acknowledge>();
  private isBroken = false;
  /** Sequences whose result was there when they came in: they must never run again. */
  private readonly endedBefore = new Set<number>();
  /** Names of the tasks that ended under this leader. */
  private readonly ended = new Set<string>();
  private readonly recoverUpToSequence: number;

  constructor(
    readonly epoch: number,
    private readonly world: World,
    private readonly nodes: readonly ModelNode[],
  ) {
    this.core = createKernelCore({ loadTimeoutMs: 20_000, processSilenceMs: 15_000 });
    const { store } = world;
    store.consumerEpoch = epoch;
    this.recoverUpToSequence = store.lastSequence;
    this.deliver({
      kind: 'leadership-began',
      epoch: asEpoch(epoch),
      kernelId: `kernel-${epoch}` as KernelId,
      recoverUpToSequence: this.recoverUpToSequence,
      desired: [...world.desired].map(([model, replicas]) => ({ model, replicas })),
    });
    this.pullTasks();
  }

  deliver(event: KernelEvent): void {
    if (!this.isAlive) return;
    this.world.log(() => `k${this.epoch} ◄ ${describe(event)}`);
    this.core.apply(event, this.now());
    this.check(event.kind);
    this.planSoon();
  }

  /** Another leader was elected; this one does not know yet. */
  replace(zombieMs: number): void {
    this.isLeading = false;
    this.world.time.after(zombieMs, () => {
      this.isAlive = false;
    });
  }

  /** Then the consumer is made anew, and everything that is not acknowledged comes again. */
  breakIntake(forMs: number): void {
    this.isBroken = true;
    this.world.log(() => `k${this.epoch} loses its deliveries for ${Math.round(forMs)} ms`);
    this.world.time.after(forMs, () => {
      this.isBroken = false;
      this.delivered = 0;
      this.pullTasks();
    });
  }

  /** New messages, in stream order, when they have stood in line long enough. */
  pullTasks(): void {
    const { store, time, faults } = this.world;
    if (!this.isAlive || store.consumerEpoch !== this.epoch) return;
    for (let count = 0; count < 20 && this.delivered < store.lastSequence; count += 1) {
      const stored = store.bySequence(this.delivered + 1);
      if (stored !== undefined && time.wallMs() < stored.spec.storedWallMs + faults.lineMs) break;
      this.delivered += 1;
      if (stored === undefined || stored.isAcknowledged) continue;
      const { spec } = stored;
      if (this.isBroken) continue;
      const arrival = this.wasDelivered(spec) ? 'again' : undefined;
      if (arrival === undefined) this.highest.set(spec.class, spec.sequence);
      if (this.held.has(spec.sequence) || this.removeEnded(spec.sequence)) continue;
      this.bringIn(stored, arrival);
    }
    if (this.delivered < store.lastSequence) time.after(2, () => this.pullTasks());
  }

  /** Whether the leader must find out that a task has ended; a wrong client may mislead it. */
  private mustKnow(spec: TaskSpec): boolean {
    const isMisled = spec.isIdNew === true && spec.sequence > this.recoverUpToSequence;
    return !isMisled || this.ended.has(nameOf(spec));
  }

  /** The last one that was stored: its storing was acknowledged to this kernel. */
  takeInAhead(): void {
    const { store } = this.world;
    const { lastSequence: sequence } = store;
    const stored = store.bySequence(sequence);
    if (stored === undefined || store.consumerEpoch !== this.epoch || !this.isAlive) return;
    const { spec } = stored;
    if (spec.key !== undefined || this.wasDelivered(spec)) return;
    if (sequence <= this.recoverUpToSequence) return;
    this.bringIn(stored, 'ahead');
  }

  private bringIn(stored: StoredTask, arrival: Arrival | undefined): void {
    const { spec } = stored;
    this.held.add(spec.sequence);
    if (this.world.store.results.has(nameOf(spec)) && this.mustKnow(spec)) {
      this.endedBefore.add(spec.sequence);
    }
    const came = arrival === undefined ? {} : { arrival };
    if (stored.isMalformed) {
      const error = errorBody('INVALID_ARGUMENT', 'unreadable');
      this.deliver({ kind: 'task-malformed', spec, error, ...came });
    } else {
      this.deliver({ kind: 'task-stored', spec, ...came });
    }
  }

  private now(): Instant {
    // Every kernel has a monotonic clock of its own.
    const { time } = this.world;
    return { nowMs: time.nowMs + this.epoch * 1_000_000, wallMs: time.wallMs() };
  }

  private planSoon(): void {
    if (this.isPlanSoon) return;
    this.isPlanSoon = true;
    this.world.time.after(0.1, () => {
      this.isPlanSoon = false;
      if (this.isAlive) this.plan();
    });
  }

  private plan(): void {
    const decisions = this.core.plan(this.now());
    this.check('plan');
    for (const decision of decisions) {
      if (decision.kind !== 'announce') {
        this.world.log(() => `k${this.epoch} ► ${describe(decision)}`);
      }
      this.carryOut(decision);
    }
    this.armWake();
  }

  private armWake(): void {
    const atMs = this.core.nextWakeMs();
    if (atMs === undefined) return;
    const { time } = this.world;
    const realMs = Math.max(time.nowMs + 0.1, atMs - this.epoch * 1_000_000);
    if (realMs >= this.wakeAtMs && this.wakeAtMs > time.nowMs) return;
    this.wakeAtMs = realMs;
    time.after(realMs - time.nowMs, () => {
      if (this.isAlive && this.wakeAtMs === realMs) this.plan();
    });
  }

  private carryOut(decision: KernelDecision): void {
    switch (decision.kind) {
      case 'look-up-result':
      case 'record-attempt':
      case 'commit-result':
      case 'store-dead-letter':
        // By the nodes there were: another one may come before the result is stored.
        if (decision.kind === 'commit-result') this.judgeEnd(decision);
        // JetStream does it after a while, in any order.
        this.world.time.after(0.5 + this.world.random.next() * 20, () => {
          if (this.isAlive) this.store(decision);
        });
        return;
      case 'execute':
        if (this.world.time.wallMs() > decision.deadlineWallMs) {
          this.world.report(`${decision.spec.id} was sent after its deadline`);
        }
        if (this.endedBefore.has(decision.spec.sequence)) {
          this.world.report(`${decision.spec.id} runs again although its result is there`);
        }
        this.mail(decision);
        return;
      case 'cancel-attempt':
      case 'preempt-attempt':
      case 'confirm-finished':
      case 'greet-process':
        this.mail(decision);
        return;
      case 'acknowledge':
        this.acknowledge(decision);
        return;
      case 'start-process':
      case 'stop-process':
        this.node(decision.to.nodeId)?.command(this, decision);
        return;
      case 'announce':
        return;
      default:
        assertNever(decision);
    }
  }

  private mail(decision: MailboxDecision): void {
    this.world.send(() => this.node(decision.to.nodeId)?.mailbox(this.epoch, decision));
  }

  private store(
    decision: Extract<
      KernelDecision,
      { kind: 'look-up-result' | 'record-attempt' | 'commit-result' | 'store-dead-letter' }
    >,
  ): void {
    const { store } = this.world;
    switch (decision.kind) {
      case 'look-up-result': {
        const name = nameOf(decision.spec);
        const isCommitted = store.results.has(name);
        const record = store.attempts.get(name) ?? NO_ATTEMPTS;
        const { sequence } = decision.spec;
        this.answer({ kind: 'result-looked-up', sequence, isCommitted, ...record });
        return;
      }
      case 'record-attempt': {
        const { spec, attempt: attempts, uncounted, isApart, failures } = decision;
        const row = { attempts, uncounted, isApart, failures };
        store.attempts.set(nameOf(spec), row);
        const { sequence } = spec;
        this.answer({ kind: 'attempt-recorded', sequence, attempt: attempts });
        return;
      }
      case 'commit-result': {
        const { tenant, id } = decision.of;
        const { ok } = decision.result;
        store.tryCommit(nameOf({ tenant, id }), { by: 'kernel', ok });
        this.answer({ kind: 'result-committed', tenant, task: id });
        return;
      }
      case 'store-dead-letter': {
        const { tenant, id: task } = decision.spec;
        store.deadLetters.add(nameOf(decision.spec));
        this.answer({ kind: 'dead-letter-stored', tenant, task });
        return;
      }
      default:
        assertNever(decision);
    }
  }

  /** Not now is not never: a load that fails ends what waits for it only where no node is left. */
  private judgeEnd({ of, result }: Extract<KernelDecision, { kind: 'commit-result' }>): void {
    if (result.ok) return;
    const { code, message } = result.error;
    const [target = ''] = message.split(" can't be loaded");
    const known = this.core.nodes(this.now()).map((row) => this.node(row.node));
    const isFailed = code === 'FAILED_PRECONDITION' && target !== message;
    if (isFailed && known.some((node) => node?.canLoad(target) === true)) {
      this.world.report(`${nameOf(of)} ended although a node can load it: ${message}`);
    }
    if (code === 'UNAVAILABLE' && !this.world.store.deadLetters.has(nameOf(of))) {
      this.world.report(`${nameOf(of)} ended without its attempts: ${message}`);
    }
  }

  /** The answer may be late: whoever reads the store meanwhile sees what was done. */
  private answer(event: KernelEvent): void {
    const { time, random, faults } = this.world;
    if (!random.chance(faults.slowStoreRate)) return this.deliver(event);
    time.after(random.next() * 4_000, () => this.deliver(event));
  }

  private acknowledge(decision: Acknowledge): void {
    this.held.delete(decision.sequence);
    const stored = this.world.store.bySequence(decision.sequence);
    if (stored === undefined || this.wasDelivered(stored.spec)) return this.removeTask(decision);
    // It is acknowledged at its delivery, or deleted after a while.
    this.undelivered.set(decision.sequence, decision);
    this.world.time.after(1_000, () => {
      if (this.isAlive && !this.isBroken) this.removeEnded(decision.sequence);
    });
  }

  private wasDelivered({ class: taskClass, sequence }: TaskSpec): boolean {
    return sequence <= (this.highest.get(taskClass) ?? 0);
  }

  /** Whether it had ended before it was delivered. */
  private removeEnded(sequence: number): boolean {
    const decision = this.undelivered.get(sequence);
    if (decision === undefined) return false;
    this.undelivered.delete(sequence);
    this.removeTask(decision);
    return true;
  }

  private removeTask(decision: Acknowledge): void {
    const { store } = this.world;
    // The consumer of a replaced leader is deleted.
    if (store.consumerEpoch !== this.epoch || this.isBroken) return;
    const stored = store.bySequence(decision.sequence);
    if (stored === undefined) return;
    this.ended.add(nameOf(stored.spec));
    const name = nameOf(stored.spec);
    const twin = store.tasks.find(
      (other) => other !== stored && nameOf(other.spec) === name && !other.isAcknowledged,
    );
    if (!store.results.has(name) && twin === undefined) {
      this.world.report(`K6: ${name} was acknowledged without a result`);
    }
    stored.isAcknowledged = true;
    if (decision.forget !== undefined) store.attempts.delete(name);
  }

  private node(nodeId: string): ModelNode | undefined {
    return this.nodes.find((node) => node.nodeId === nodeId);
  }

  private check(after: string): void {
    const violations = this.core.violations();
    if (violations.length > 0) {
      this.world.report(`k${this.epoch} after ${after}: ${violations.slice(0, 3).join('; ')}`);
    }
  }
}

const NO_ATTEMPTS = { attempts: 0, uncounted: 0, isApart: false, failures: [] };

function describe(thing: KernelEvent | KernelDecision): string {
  const text = JSON.stringify(thing, (key, value: unknown) =>
    key === 'spec' ? shortSpec(value) : key === 'capabilities' ? undefined : value,
  );
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}

function shortSpec(value: unknown): string {
  const spec = value as { id: string; sequence: number; function: string };
  return `${spec.id}#${spec.sequence} ${spec.function}`;
}
