/**
 * Runs the attempts of a model that does not generate: pulls batches from the mailbox for its actor
 * threads, and gives their answers back. (What generates has `GenerateDispatcher`.)
 *
 * What waits, and who of it goes first, is the mailbox's alone. This file decides what can run now:
 * which requests make a batch, on which thread, and whether it comes in between what a thread runs.
 * A thread belongs to the dispatcher: nobody else gives it requests, and what it was given is known
 * here (`running`) until its answer, or its end by a lost thread.
 *
 * - B1: a request is taken from the mailbox in the turn in which a thread is given it; the rest
 *   stays there, so that the next pull finds whoever is most urgent by then.
 * - B2: bulk gives way. Where no thread is idle, what is more urgent than all that a thread runs
 *   joins it: the thread runs it before the next model run of its step, which then goes on. So bulk
 *   may use every thread and holds none for longer than one model run.
 * - B3: what is one single run, however long, can't give way: it leaves a thread to the classes
 *   above batch, where there are several.
 * - B4: what is quick waits for none of this: it has a thread beside the others, which takes
 *   nothing else.
 * - B5: a cancelled attempt leaves its step as soon as the thread can; one that waits is the
 *   mailbox's to answer.
 */
import type { Clock } from '@llmos/base';
import type { AttemptRunner, HandlerAnswer, WaitingAttempt, WaitingLine } from '@llmos/process';
import { GIVEN_BACK, NOTHING_WAITS } from '@llmos/process';
import type { StepEvents } from '../actors/thread-client';
import type { ThreadAnswer, ThreadRequest } from '../actors/thread-protocol';
import type { BatchBounds } from './batch-policy';
import { isOneRun, isQuick, planBatch } from './batch-policy';
import type { HostMeter } from './host-meter';
import { BATCH_LIMITS } from '../limits';
import { answerOfLost } from './lost-thread';
import { requestOf } from './thread-request';
import type { Alarm } from '../ports/alarm';

/** As much of a thread as the dispatcher needs. */
export interface StepThread {
  readonly isIdle: boolean;
  run(requests: readonly ThreadRequest[], events: StepEvents): Promise<void>;
  /** Only while it runs a step, which these interrupt. */
  join(requests: readonly ThreadRequest[], events: StepEvents): void;
  cancel(requestId: number): void;
}

export interface BatchDispatcherParts {
  /** They run everything. */
  readonly threads: readonly StepThread[];
  /** It runs what is quick, and is one too many unless another one runs something else. */
  readonly quickThread?: StepThread;
  readonly bounds: BatchBounds;
  readonly meter: Pick<HostMeter, 'addStep' | 'addChunk' | 'addTokens'>;
  readonly clock: Clock;
  readonly alarm: Alarm;
}

/** A request that a thread was given and has not answered. */
interface Running {
  readonly requestId: number;
  readonly of: WaitingAttempt;
  readonly step: Step;
}

/** Requests that were given to a thread together. */
interface Step {
  readonly thread: StepThread;
  readonly startedAtMs: number;
  readonly requestCount: number;
  unanswered: number;
}

export class BatchDispatcher implements AttemptRunner {
  private line: WaitingLine = NOTHING_WAITS;
  /** In the order in which they are given work. */
  private readonly threads: readonly StepThread[];
  private readonly lost = new Set<StepThread>();
  private readonly running = new Map<number, Running>();
  private answers: (() => void)[] = [];
  private lastRequestId = 0;
  private isPumpDue = false;
  private cancelWait: () => void = () => undefined;
  private readonly events: StepEvents = {
    chunk: (requestId, chunk) => {
      this.parts.meter.addChunk();
      this.running.get(requestId)?.of.attempt.emitChunk(chunk);
    },
    cost: (requestId, soFar) => this.running.get(requestId)?.of.attempt.tellCost(soFar),
    answered: (answer) => this.answered(answer),
  };

  constructor(private readonly parts: BatchDispatcherParts) {
    const { threads, quickThread } = parts;
    this.threads = quickThread === undefined ? threads : [quickThread, ...threads];
  }

  serve(line: WaitingLine): void {
    this.line = line;
  }

  /** After this turn of the event loop, so that what arrived together runs together. */
  wake(): void {
    if (this.isPumpDue) return;
    this.isPumpDue = true;
    setImmediate(() => {
      this.isPumpDue = false;
      this.pump();
    });
  }

  /** It reached the bound of its memory. Without another thread what waits is given back. */
  loseThread(thread: StepThread, heapBytes: number): void {
    this.lost.add(thread);
    const open = [...this.running.values()].filter(({ step }) => step.thread === thread);
    const answer = answerOfLost(open.length, heapBytes);
    for (const { requestId, of } of open) {
      this.running.delete(requestId);
      this.line.answer(of, answer);
    }
    this.giveBackAll();
  }

  private giveBackAll(): void {
    if (this.lost.size < this.threads.length) return;
    for (const waiting of this.line.inOrder()) {
      this.line.take(waiting);
      this.line.answer(waiting, GIVEN_BACK);
    }
  }

  private pump(): void {
    this.cancelWait();
    this.giveBackAll();
    for (const thread of this.threads) {
      if (!thread.isIdle) continue;
      const batch = this.nextBatch(thread, this.allowedOn(thread));
      if (batch === undefined) continue;
      const requests = this.begin(thread, batch);
      void thread.run(requests, this.events).then(() => this.pump());
    }
    if (this.isEachBusy()) this.interrupt();
  }

  /** One whose answers are all there is idle in a moment: sooner than the run of another ends. */
  private isEachBusy(): boolean {
    const busy = new Set([...this.running.values()].map(({ step }) => step.thread));
    return this.parts.threads.every((thread) => busy.has(thread) || this.lost.has(thread));
  }

  private interrupt(): void {
    while (this.line.waitingCount > 0) {
      const victim = this.victims().find(({ able }) => able.length > 0);
      const batch = victim && this.nextBatch(victim.thread, victim.able);
      if (victim === undefined || batch === undefined) return;
      victim.thread.join(this.begin(victim.thread, batch), this.events);
    }
  }

  /** What waits and may begin on an idle thread. */
  private allowedOn(thread: StepThread): readonly WaitingAttempt[] {
    const isQuickThread = thread === this.parts.quickThread;
    const isUsual = this.isUsual(thread);
    // Threads share the cores: one more than usual only helps what would wait for something long.
    if (this.busyCount() < this.parts.threads.length || this.isAnyLong()) {
      return this.line.inOrder(isQuickThread ? isQuick : isUsual);
    }
    if (isQuickThread) return [];
    return this.line.inOrder((waiting) => isUsual(waiting) && !isQuick(waiting));
  }

  /** All but what would take the last thread from the classes above batch (B3). */
  private isUsual(thread: StepThread): (waiting: WaitingAttempt) => boolean {
    const { threads } = this.parts;
    const held = new Set<StepThread>([thread]);
    for (const { of, step } of this.running.values()) if (isOneBulkRun(of)) held.add(step.thread);
    const isLast = threads.length > 1 && held.size >= threads.length;
    return (waiting) => !isLast || !isOneBulkRun(waiting);
  }

  private busyCount(): number {
    return this.threads.filter((thread) => !thread.isIdle && !this.lost.has(thread)).length;
  }

  private isAnyLong(): boolean {
    for (const { of } of this.running.values()) if (!isQuick(of)) return true;
    return false;
  }

  /**
   * Busy threads with what may interrupt them: first those that soon give way, of these first the
   * one whose most urgent request is the least urgent.
   */
  private victims(): { readonly thread: StepThread; readonly able: readonly WaitingAttempt[] }[] {
    const heads = new Map<StepThread, WaitingAttempt>();
    for (const { of, step } of this.running.values()) {
      const head = heads.get(step.thread);
      if (step.thread.isIdle) continue;
      if (head === undefined || this.line.order.compare(of, head) < 0) heads.set(step.thread, of);
    }
    const ordered = [...heads].toSorted(
      ([, a], [, b]) =>
        Number(isOneBulkRun(a)) - Number(isOneBulkRun(b)) || this.line.order.compare(b, a),
    );
    return ordered.map(([thread, head]) => ({ thread, able: this.ableOn(thread, head) }));
  }

  private ableOn(thread: StepThread, head: WaitingAttempt): readonly WaitingAttempt[] {
    const isQuickThread = thread === this.parts.quickThread;
    // The quick thread is free again sooner than the next run of this one begins.
    const leavesQuick = !isQuickThread && !isQuick(head) && this.isQuickThreadEnough();
    const isUsual = this.isUsual(thread);
    return this.line.inOrder(
      (waiting) =>
        isUsual(waiting) &&
        this.mayJoin(waiting, head) &&
        (isQuick(waiting) ? !leavesQuick : !isQuickThread),
    );
  }

  /** Also as a guest: of those who have nothing here, beside something long of someone else. */
  private mayJoin(waiting: WaitingAttempt, head: WaitingAttempt): boolean {
    const { order } = this.line;
    return order.mayInterrupt(waiting, head) || (!isQuick(head) && order.isGuest(waiting, head));
  }

  private isQuickThreadEnough(): boolean {
    const { quickThread } = this.parts;
    if (quickThread === undefined || this.lost.has(quickThread)) return false;
    return this.line.inOrder(isQuick).length <= BATCH_LIMITS.quick.maxRequests;
  }

  /** Undefined where nothing waits, or it waits for mates until an alarm pumps again. */
  private nextBatch(
    thread: StepThread,
    waiting: readonly WaitingAttempt[],
  ): readonly WaitingAttempt[] | undefined {
    const nowMs = this.parts.clock.nowMs();
    const { bounds: usual, quickThread } = this.parts;
    const bounds = thread === quickThread ? tighter(usual, BATCH_LIMITS.quick) : usual;
    const idleThreads = thread.isIdle ? this.idleThreadsFor(waiting[0]) : 1;
    const plan = planBatch(waiting, { bounds, nowMs, idleThreads });
    if (plan.kind === 'wait') {
      this.cancelWait();
      this.cancelWait = this.parts.alarm.after(plan.untilMs - nowMs, () => this.pump());
    }
    return plan.kind === 'run' ? plan.requests : undefined;
  }

  /** Among which what waits like this one is shared out. */
  private idleThreadsFor(leader: WaitingAttempt | undefined): number {
    const { threads } = this.parts;
    if (leader !== undefined && isQuick(leader)) {
      return Math.max(1, threads.length - this.busyCount());
    }
    return threads.filter((thread) => thread.isIdle).length;
  }

  /** Takes them from the mailbox for this thread, which must be given them in this turn (B1). */
  private begin(thread: StepThread, batch: readonly WaitingAttempt[]): ThreadRequest[] {
    const startedAtMs = this.parts.clock.nowMs();
    const count = batch.length;
    const step: Step = { thread, startedAtMs, requestCount: count, unanswered: count };
    return batch.map((of) => {
      this.line.take(of);
      this.lastRequestId += 1;
      const requestId = this.lastRequestId;
      this.running.set(requestId, { requestId, of, step });
      const cancel = (): void => {
        if (this.running.has(requestId)) thread.cancel(requestId);
      };
      of.attempt.signal.addEventListener('abort', cancel, { once: true });
      return requestOf(requestId, of.attempt);
    });
  }

  private answered({ requestId, result, error, tokens, cost }: ThreadAnswer): void {
    if (tokens !== undefined) this.parts.meter.addTokens(tokens);
    const running = this.running.get(requestId);
    if (running === undefined) return;
    const { of, step } = running;
    this.running.delete(requestId);
    this.line.ended(of);
    if (cost !== undefined) of.attempt.tellCost(cost);
    this.countAnswer(step);
    // What is as urgent as this one waited for it.
    if (this.line.waitingCount > 0) this.wake();
    const given: HandlerAnswer = { kind: 'answered', result, ...(error && { error }) };
    this.answers.push(() => this.line.answer(of, given));
    if (this.answers.length === 1) setImmediate(() => this.giveAnswers());
  }

  private countAnswer(step: Step): void {
    step.unanswered -= 1;
    if (step.unanswered > 0) return;
    const durationMs = this.parts.clock.nowMs() - step.startedAtMs;
    this.parts.meter.addStep({ requestCount: step.requestCount, durationMs });
  }

  /** After this turn of the event loop: answers that came together are committed together. */
  private giveAnswers(): void {
    const answers = this.answers;
    this.answers = [];
    for (const give of answers) give();
  }
}

function tighter(a: BatchBounds, b: BatchBounds): BatchBounds {
  return {
    maxRequests: Math.min(a.maxRequests, b.maxRequests),
    maxBytes: Math.min(a.maxBytes, b.maxBytes),
  };
}

/** Nothing can interrupt it. */
function isOneBulkRun(waiting: WaitingAttempt): boolean {
  return waiting.class === 'batch' && isOneRun(waiting.function);
}
