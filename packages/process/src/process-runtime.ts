/**
 * A process at work: obeys the leader's commands, prepares attempts and puts them into the mailbox,
 * from which its runner pulls them, commits their answers and reports their ends.
 *
 * One writer of what the mailbox holds and of the finished table; who runs what waits there, and
 * when, is its runner's alone. Invariants: P1 an accepted attempt ends in the finished table, except
 * one that was replaced (ABORTED); P2 nobody but the leader is obeyed; P3 a heartbeat names every
 * attempt that is held or unconfirmed; P4 an attempt that must stop, or is asked back, while it
 * waits is never run.
 */
import type {
  AttemptCost,
  AttemptOutcome,
  AttemptRef,
  AttemptSpec,
  CancelTimer,
  Clock,
  Epoch,
  Logger,
  MailboxCommand,
  MailboxMessage,
  ProcessHeartbeat,
  Timers,
  TraitsOf,
} from '@llmos/base';
import type { Attempt, HandlerAnswer, StopReason } from './attempt';
import { GIVEN_BACK, attemptId, refOf } from './attempt';
import type { AttemptRunner } from './attempt-runner';
import { ChunkPace } from './chunk-pace';
import { EpochGate } from './epoch-gate';
import type { EpochRefusal } from './epoch-guard';
import { FinishedTable } from './finished-table';
import { PROCESS_LIMITS } from './limits';
import { Mailbox, type WaitingAttempt } from './mailbox';
import { createPause, type Pause } from './pause';
import type { MailboxLink } from './ports/mailbox-link';
import type { TaskStore } from './ports/task-store';
import { ReportOutbox } from './report-outbox';
import { runAttempt } from './run-attempt';
import { TenantTurns } from './waiting-order';

export interface ProcessRuntimeParts {
  readonly link: MailboxLink;
  readonly store: TaskStore;
  /** See EpochGateParts. */
  readonly readEpoch: () => Promise<Epoch | undefined>;
  readonly runner: AttemptRunner;
  /** Of the functions that it runs. */
  readonly traitsOf: TraitsOf;
  readonly incarnation: number;
  readonly permits: number;
  /** See ChunkPace. */
  readonly chunkMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  /** See ProcessOptions. */
  readonly onFirstToken?: (of: AttemptSpec) => void;
  readonly onAnswer?: (answer: HandlerAnswer, tookMs: number) => void;
}

export interface ProcessCounts {
  /** Held, and not waiting for the runner. */
  readonly running: number;
  readonly waiting: number;
  readonly unconfirmed: number;
  readonly committed: number;
  readonly failed: number;
  readonly stopped: number;
  readonly preempted: number;
}

/** Of each attempt that is held. */
interface Running {
  readonly spec: AttemptSpec;
  /** Set while it waits, or runs. */
  waiting: WaitingAttempt | undefined;
  /** Stops it at once. */
  readonly abort: AbortController;
  /** Asks it to be given back. */
  readonly preemption: AbortController;
  /** So far; undefined until its handler says so. */
  cost: AttemptCost | undefined;
}

export class ProcessRuntime {
  private readonly gate: EpochGate<MailboxCommand>;
  private readonly mailbox: Mailbox;
  private readonly finished = new FinishedTable(FINISHED_OPTIONS);
  private readonly outbox = new ReportOutbox(PROCESS_LIMITS.maxReportEntries);
  private readonly chunkPace: ChunkPace;
  private readonly running = new Map<string, Running>();
  private readonly ended = { committed: 0, failed: 0, stopped: 0, preempted: 0 };
  private readonly pause: Pause;
  private cancelTimers: readonly CancelTimer[] = [];
  private flushing: CancelTimer | undefined;
  private flushTimer: CancelTimer | undefined;
  private isBeatDue = false;
  private isDraining = false;
  private isClosed = false;
  private onQuiet: (() => void) | undefined;
  private readonly closing = new AbortController();
  /** Commands with an epoch that no leader had. */
  private foreignCount = 0;
  private refusalLogAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: ProcessRuntimeParts) {
    this.pause = createPause(parts.timers);
    this.gate = new EpochGate<MailboxCommand>({
      readEpoch: parts.readEpoch,
      nowMs: () => parts.clock.nowMs(),
      wait: (waitMs) => this.pause(waitMs, this.closing.signal),
      pass: (command) => this.obey(command),
      refuse: (_command, of) => this.refuse(of),
      onNews: () => this.greetLeader(),
      onUnread: (error) => parts.log.warn('leader-record-unread', { error }),
    });
    this.chunkPace = new ChunkPace(parts.chunkMs);
    this.mailbox = new Mailbox(parts.permits + PROCESS_LIMITS.mailboxSpare, new TenantTurns());
    parts.runner.serve(this.mailbox);
  }

  async start(): Promise<void> {
    await this.parts.link.open((message) => this.receive(message));
    const { timers } = this.parts;
    this.cancelTimers = [
      timers.every(PROCESS_LIMITS.heartbeatMs, () => this.beat()),
      timers.every(PROCESS_LIMITS.resendTickMs, () => this.resend()),
    ];
    this.beat();
  }

  counts(): ProcessCounts {
    return {
      running: this.mailbox.size - this.mailbox.waitingCount,
      waiting: this.mailbox.waitingCount,
      unconfirmed: this.finished.unconfirmedCount,
      ...this.ended,
    };
  }

  /**
   * Takes nothing new, gives back what is preemptible, to go on elsewhere, and waits for the rest.
   * Resolves when all is ended and confirmed, when closed, or when time is up.
   */
  async drain(graceMs: number): Promise<void> {
    this.isDraining = true;
    for (const spec of this.mailbox.specs()) {
      if (this.parts.traitsOf(spec.function).preemptible) this.preempt(refOf(spec));
    }
    if (this.isQuiet() || this.isClosed) return;
    const quiet = new AbortController();
    this.onQuiet = () => quiet.abort();
    await this.pause(graceMs, quiet.signal);
  }

  /** Stops everything at once; what runs is not reported. May be called twice. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.isDraining = true;
    for (const cancel of this.cancelTimers) cancel();
    this.flushing?.();
    this.flushTimer?.();
    for (const running of this.running.values()) this.stopOne(running, 'ABORTED');
    this.gate.close();
    this.closing.abort();
    this.parts.link.close();
    this.onQuiet?.();
  }

  private receive(message: MailboxMessage): void {
    const { command, incarnation, epoch } = message;
    if (this.isClosed || incarnation !== this.parts.incarnation) return;
    this.gate.offer(epoch, command);
  }

  private obey(command: MailboxCommand): void {
    if (command.kind === 'execute') this.accept(command.spec);
    else if (command.kind === 'cancel') this.stop(command.attempt, command.reason);
    else if (command.kind === 'preempt') this.preempt(command.attempt);
    else if (command.kind === 'confirm') this.confirm(command.attempts);
    else this.beat();
  }

  private refuse(of: { readonly epoch: number; readonly why: EpochRefusal }): void {
    const { log, clock } = this.parts;
    if (of.why === 'foreign') this.foreignCount += 1;
    const nowMs = clock.nowMs();
    if (nowMs < this.refusalLogAtMs) return;
    this.refusalLogAtMs = nowMs + PROCESS_LIMITS.refusalLogMs;
    log.warn('epoch-refused', { ...of, leader: this.gate.epoch, foreign: this.foreignCount });
  }

  /** A new leader hears at once what runs here, and of every end that nobody confirmed. */
  private greetLeader(): void {
    this.finished.makeAllDue(this.parts.clock.nowMs());
    this.resend();
    this.beat();
  }

  private accept(spec: AttemptSpec): void {
    if (this.finished.recall(spec, this.gate.epoch, this.parts.clock.nowMs())) {
      this.resend();
      return;
    }
    if (this.isDraining) return;
    const offered = this.mailbox.offer(spec);
    if (offered.kind === 'full' || offered.kind === 'superseded') {
      this.parts.log.warn('execute-not-accepted', { ...refOf(spec), why: offered.kind });
      return;
    }
    this.outbox.addAccepted(refOf(spec));
    this.flushLater();
    if (offered.kind === 'duplicate') return;
    if (offered.replaces !== undefined) this.stop(offered.replaces, 'ABORTED');
    const [abort, preemption] = [new AbortController(), new AbortController()];
    const running: Running = { spec, waiting: undefined, abort, preemption, cost: undefined };
    this.running.set(attemptId(spec), running);
    void this.run(running);
  }

  private async run(running: Running): Promise<void> {
    const { spec, abort, preemption } = running;
    const { store, traitsOf, timers, clock, log, onFirstToken } = this.parts;
    const { chunkPace, pause } = this;
    const leftMs = spec.deadlineAtMs - clock.nowMs();
    const cancelDeadline = timers.after(leftMs, () => this.stopOne(running, 'DEADLINE_EXCEEDED'));
    // A handler that never ends must not keep the timer, and with it the program, alive.
    abort.signal.addEventListener('abort', cancelDeadline, { once: true });
    const outcome = await runAttempt(
      {
        store,
        handler: (attempt) => this.wait(running, attempt),
        traits: traitsOf(spec.function),
        pause,
        clock,
        log,
        chunkPace,
        abort,
        ...(onFirstToken === undefined ? {} : { onFirstToken }),
        preemption: preemption.signal,
        onCost: (soFar) => void (running.cost = soFar),
      },
      spec,
    );
    cancelDeadline();
    this.running.delete(attemptId(spec));
    this.finish(refOf(spec), outcome, running.cost);
  }

  /** Prepared: it waits until the runner takes it, and resolves with its answer. */
  private wait(running: Running, attempt: Attempt): Promise<HandlerAnswer> {
    const startedAtMs = this.parts.clock.nowMs();
    return new Promise((resolve) => {
      running.waiting = this.mailbox.enqueue(attempt, startedAtMs, (answer) => {
        this.parts.onAnswer?.(answer, this.parts.clock.nowMs() - startedAtMs);
        resolve(answer);
      });
      // It was asked back while it was being prepared (P4).
      if (running.preemption.signal.aborted) this.mailbox.withdraw(running.waiting, GIVEN_BACK);
      else this.parts.runner.wake();
    });
  }

  private stop(ref: AttemptRef, reason: StopReason): void {
    const running = this.running.get(attemptId(ref));
    if (running !== undefined) this.stopOne(running, reason);
  }

  private stopOne({ abort, waiting }: Running, reason: StopReason): void {
    abort.abort(reason);
    if (waiting !== undefined) this.mailbox.withdraw(waiting, CANCELLED);
  }

  /** What waits is given back at once, what runs as soon as its runner can. */
  private preempt(ref: AttemptRef): void {
    const running = this.running.get(attemptId(ref));
    running?.preemption.abort();
    if (running?.waiting !== undefined) this.mailbox.withdraw(running.waiting, GIVEN_BACK);
  }

  private finish(ref: AttemptRef, outcome: AttemptOutcome, cost?: AttemptCost): void {
    this.mailbox.remove(ref);
    if (this.isClosed) return;
    this.ended[outcome.kind] += 1;
    // A replaced attempt says nothing of itself; a heartbeat without it is enough.
    const isSilent = outcome.kind === 'stopped' && outcome.reason === 'ABORTED';
    const dropped = isSilent
      ? undefined
      : this.finished.add({ ref, outcome, ...(cost && { cost }) }, this.parts.clock.nowMs());
    if (dropped !== undefined) this.parts.log.warn('unconfirmed-end-dropped', { ...dropped.ref });
    this.resend();
    this.notifyQuiet();
  }

  private confirm(refs: readonly AttemptRef[]): void {
    for (const ref of refs) this.finished.confirm(ref, this.gate.epoch);
    this.notifyQuiet();
  }

  private resend(): void {
    for (const entry of this.finished.takeDue(this.parts.clock.nowMs())) {
      this.outbox.addFinished(entry);
      this.flushSoon();
    }
  }

  private beat(): void {
    this.isBeatDue = true;
    this.flushSoon();
  }

  /** At the end of this turn of the event loop: at once when idle, together under load. */
  private flushSoon(): void {
    if (this.isClosed) return;
    this.flushing ??= this.parts.timers.soon(() => {
      this.flushing = undefined;
      const heartbeat = this.isBeatDue ? this.heartbeat() : undefined;
      this.isBeatDue = false;
      for (const report of this.outbox.take(heartbeat)) this.parts.link.send(report);
    });
  }

  private flushLater(): void {
    this.flushTimer ??= this.parts.timers.after(PROCESS_LIMITS.acceptedWaitMs, () => {
      this.flushTimer = undefined;
      this.flushSoon();
    });
  }

  private heartbeat(): ProcessHeartbeat {
    const held = this.mailbox.refs();
    return {
      running: [...held, ...this.finished.refs()],
      costs: held.map((ref) => this.running.get(attemptId(ref))?.cost),
      epoch: this.gate.epoch,
      foreign: this.foreignCount,
    };
  }

  private isQuiet(): boolean {
    return this.mailbox.size === 0 && this.finished.unconfirmedCount === 0;
  }

  private notifyQuiet(): void {
    if (this.isQuiet()) this.onQuiet?.();
  }
}

/** Of one that is stopped before it ran: what becomes of it follows from why it was stopped. */
const CANCELLED: HandlerAnswer = {
  kind: 'failed',
  error: { code: 'CANCELLED', retryable: false, message: 'cancelled before it ran' },
};

const FINISHED_OPTIONS = {
  maxUnconfirmed: PROCESS_LIMITS.maxUnconfirmed,
  maxConfirmed: PROCESS_LIMITS.maxConfirmed,
  resend: PROCESS_LIMITS.resend,
};
