/**
 * Gives a host's attempts to its actor threads, batch by batch, and their answers back. (What
 * generates has `GenerateDispatcher`.)
 *
 * Waiting attempts are ordered by urgency, so that an urgent one is in the very next batch. If no
 * thread is idle, what is more urgent than all that a thread runs joins it: the thread runs it
 * before the next model run of its step, which then goes on. So bulk may use every thread and holds
 * none for longer than one model run; what is one single run, however long, leaves a thread to the
 * classes above batch. What is quick waits for none of this: it has a thread beside the others,
 * which takes nothing else. Among equals the tenants take turns. A cancelled attempt leaves the
 * queue at once, or its step as soon as the thread can.
 */
import type { Clock } from '@llmos/base';
import { Tally, compareUrgency, mayInterrupt } from '@llmos/base';
import type { Attempt, HandlerAnswer } from '@llmos/process';
import type { StepEvents } from '../actors/thread-client';
import type { ThreadAnswer, ThreadRequest } from '../actors/thread-protocol';
import type { BatchBounds, WaitingRequest } from '../engine/batch-policy';
import { inTurns, isOneRun, isQuick, planBatch } from '../engine/batch-policy';
import type { HostMeter } from './host-meter';
import { BATCH_LIMITS } from '../limits';
import { GIVEN_BACK, answerOfLost } from './lost-thread';
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

interface Waiting extends WaitingRequest {
  readonly requestId: number;
  readonly attempt: Attempt;
  readonly resolve: (answer: HandlerAnswer) => void;
  step: Step | undefined;
}

/** Requests that were given to a thread together. */
interface Step {
  readonly thread: StepThread;
  readonly startedAtMs: number;
  readonly requestCount: number;
  unanswered: number;
}

export class BatchDispatcher {
  private readonly waiting: Waiting[] = [];
  /** In the order in which they are given work. */
  private readonly threads: readonly StepThread[];
  private readonly lost = new Set<StepThread>();
  private readonly running = new Map<number, Waiting>();
  /** Requests that run, by tenant. */
  private readonly runningOf = new Tally<string>();
  /** Tenants by when they were given something last, while anything waits. */
  private readonly servedAt = new Map<string, number>();
  private served = 0;
  private answers: (() => void)[] = [];
  private lastRequestId = 0;
  private isPumpDue = false;
  private cancelWait: () => void = () => undefined;
  private readonly events: StepEvents = {
    chunk: (requestId, chunk) => {
      this.parts.meter.addChunk();
      this.running.get(requestId)?.attempt.emitChunk(chunk);
    },
    cost: (requestId, soFar) => this.running.get(requestId)?.attempt.tellCost(soFar),
    answered: (answer) => this.answered(answer),
  };

  constructor(private readonly parts: BatchDispatcherParts) {
    const { threads, quickThread } = parts;
    this.threads = quickThread === undefined ? threads : [quickThread, ...threads];
  }

  /** The host's attempt handler. */
  handle(attempt: Attempt): Promise<HandlerAnswer> {
    if (this.lost.size === this.threads.length) return Promise.resolve(GIVEN_BACK);
    return new Promise((resolve) => {
      this.lastRequestId += 1;
      const waiting: Waiting = {
        requestId: this.lastRequestId,
        tenant: attempt.spec.tenant,
        class: attempt.spec.class,
        priority: attempt.spec.priority,
        function: attempt.spec.function,
        bytes: attempt.body.length,
        arrivedAtMs: this.parts.clock.nowMs(),
        attempt,
        resolve,
        step: undefined,
      };
      this.insert(waiting);
      attempt.signal.addEventListener('abort', () => this.cancel(waiting), { once: true });
      this.pumpSoon();
    });
  }

  /** It reached the bound of its memory. Without another thread what waits is given back. */
  loseThread(thread: StepThread, heapBytes: number): void {
    this.lost.add(thread);
    const open = [...this.running.values()].filter(({ step }) => step?.thread === thread);
    const answer = answerOfLost(open.length, heapBytes);
    for (const waiting of open) {
      this.ended(waiting);
      waiting.resolve(answer);
    }
    if (this.lost.size < this.threads.length) return;
    for (const { resolve } of this.waiting.splice(0)) resolve(GIVEN_BACK);
  }

  private insert(waiting: Waiting): void {
    const index = this.waiting.findLastIndex(
      (other) => compareUrgency(other.attempt.spec, waiting.attempt.spec) <= 0,
    );
    this.waiting.splice(index + 1, 0, waiting);
  }

  private cancel(waiting: Waiting): void {
    const index = this.waiting.indexOf(waiting);
    if (index >= 0) {
      this.waiting.splice(index, 1);
      waiting.resolve(CANCELLED);
    } else if (this.running.has(waiting.requestId)) {
      waiting.step?.thread.cancel(waiting.requestId);
    }
  }

  /** After this turn of the event loop, so that what arrived together runs together. */
  private pumpSoon(): void {
    if (this.isPumpDue) return;
    this.isPumpDue = true;
    setImmediate(() => {
      this.isPumpDue = false;
      this.pump();
    });
  }

  private pump(): void {
    this.cancelWait();
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
    const busy = new Set([...this.running.values()].map(({ step }) => step?.thread));
    return this.parts.threads.every((thread) => busy.has(thread) || this.lost.has(thread));
  }

  private interrupt(): void {
    for (;;) {
      const victim = this.victims().find(({ able }) => able.length > 0);
      const batch = victim && this.nextBatch(victim.thread, victim.able);
      if (victim === undefined || batch === undefined) return;
      victim.thread.join(this.begin(victim.thread, batch), this.events);
    }
  }

  /** What waits and may begin on an idle thread. */
  private allowedOn(thread: StepThread): readonly Waiting[] {
    const isQuickThread = thread === this.parts.quickThread;
    // Threads share the cores: one more than usual only helps what would wait for something long.
    if (this.busyCount() < this.parts.threads.length || this.isAnyLong()) {
      return isQuickThread ? this.waiting.filter(isQuick) : this.leavingOne(thread);
    }
    return isQuickThread ? [] : this.leavingOne(thread).filter((waiting) => !isQuick(waiting));
  }

  /** What waits, without what would take from the classes above batch the last thread. */
  private leavingOne(thread: StepThread): readonly Waiting[] {
    const held = new Set<StepThread | undefined>([thread]);
    for (const running of this.running.values()) {
      if (isOneBulkRun(running)) held.add(running.step?.thread);
    }
    const { threads } = this.parts;
    if (threads.length === 1 || held.size < threads.length) return this.waiting;
    return this.waiting.filter((waiting) => !isOneBulkRun(waiting));
  }

  private busyCount(): number {
    return this.threads.filter((thread) => !thread.isIdle && !this.lost.has(thread)).length;
  }

  private isAnyLong(): boolean {
    for (const running of this.running.values()) if (!isQuick(running)) return true;
    return false;
  }

  /**
   * Busy threads with what may interrupt them: first those that soon give way, of these first the
   * one whose most urgent request is the least urgent.
   */
  private victims(): { readonly thread: StepThread; readonly able: readonly Waiting[] }[] {
    const heads = new Map<StepThread, Waiting>();
    for (const running of this.running.values()) {
      const thread = running.step?.thread;
      const head = thread && heads.get(thread);
      if (thread === undefined || thread.isIdle) continue;
      if (head === undefined || isBefore(running, head)) heads.set(thread, running);
    }
    const ordered = [...heads].toSorted(
      ([, a], [, b]) =>
        Number(isOneBulkRun(a)) - Number(isOneBulkRun(b)) || (isBefore(a, b) ? 1 : -1),
    );
    return ordered.map(([thread, head]) => ({ thread, able: this.ableOn(thread, head) }));
  }

  private ableOn(thread: StepThread, head: Waiting): readonly Waiting[] {
    const able = this.leavingOne(thread).filter((waiting) => this.mayJoin(waiting, head));
    if (thread === this.parts.quickThread) return able.filter(isQuick);
    // The quick thread is free again sooner than the next run of this one begins.
    return isQuick(head) || !this.isQuickThreadEnough()
      ? able
      : able.filter((one) => !isQuick(one));
  }

  /** Also as a guest: of those who have nothing here, beside something long of someone else. */
  private mayJoin(waiting: Waiting, head: Waiting): boolean {
    if (mayInterrupt(waiting, head)) return true;
    const isEqual = !mayInterrupt(head, waiting);
    const isGuest = waiting.tenant !== head.tenant && this.runningOf.of(waiting.tenant) === 0;
    return isEqual && isGuest && !isQuick(head);
  }

  private isQuickThreadEnough(): boolean {
    const { quickThread } = this.parts;
    if (quickThread === undefined || this.lost.has(quickThread)) return false;
    return this.waiting.filter(isQuick).length <= BATCH_LIMITS.quick.maxRequests;
  }

  /** Undefined where nothing waits, or it waits for mates until an alarm pumps again. */
  private nextBatch(
    thread: StepThread,
    waiting: readonly Waiting[],
  ): readonly Waiting[] | undefined {
    const nowMs = this.parts.clock.nowMs();
    const inOrder = inTurns(waiting, (tenant) => ({
      running: this.runningOf.of(tenant),
      servedAt: this.servedAt.get(tenant) ?? 0,
    }));
    const { bounds: usual, quickThread } = this.parts;
    const bounds = thread === quickThread ? tighter(usual, BATCH_LIMITS.quick) : usual;
    const idleThreads = thread.isIdle ? this.idleThreadsFor(inOrder[0]) : 1;
    const plan = planBatch(inOrder, { bounds, nowMs, idleThreads });
    if (plan.kind === 'wait') {
      this.cancelWait = this.parts.alarm.after(plan.untilMs - nowMs, () => this.pump());
    }
    return plan.kind === 'run' ? plan.requests : undefined;
  }

  /** Among which what waits like this one is shared out. */
  private idleThreadsFor(leader: Waiting | undefined): number {
    const { threads } = this.parts;
    if (leader !== undefined && isQuick(leader)) {
      return Math.max(1, threads.length - this.busyCount());
    }
    return threads.filter((thread) => thread.isIdle).length;
  }

  private begin(thread: StepThread, batch: readonly Waiting[]): ThreadRequest[] {
    const startedAtMs = this.parts.clock.nowMs();
    const count = batch.length;
    const step: Step = { thread, startedAtMs, requestCount: count, unanswered: count };
    for (const waiting of batch) {
      this.waiting.splice(this.waiting.indexOf(waiting), 1);
      waiting.step = step;
      this.running.set(waiting.requestId, waiting);
      this.runningOf.add(waiting.tenant);
      this.servedAt.set(waiting.tenant, (this.served += 1));
    }
    if (this.waiting.length === 0) this.servedAt.clear();
    return batch.map(requestOf);
  }

  private answered(answer: ThreadAnswer): void {
    const waiting = this.running.get(answer.requestId);
    if (waiting !== undefined) this.ended(waiting);
    const { result, error, tokens, cost } = answer;
    if (cost !== undefined) waiting?.attempt.tellCost(cost);
    if (tokens !== undefined) this.parts.meter.addTokens(tokens);
    if (waiting?.step === undefined) return;
    this.countAnswer(waiting.step);
    // What is as urgent as this one waited for it.
    if (this.waiting.length > 0) this.pumpSoon();
    const given: HandlerAnswer = { kind: 'answered', result, ...(error && { error }) };
    this.answers.push(() => waiting.resolve(given));
    if (this.answers.length === 1) setImmediate(() => this.giveAnswers());
  }

  private ended({ requestId, tenant }: Waiting): void {
    if (this.running.delete(requestId)) this.runningOf.remove(tenant);
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

function isBefore(a: Waiting, b: Waiting): boolean {
  return compareUrgency(a.attempt.spec, b.attempt.spec) < 0;
}

function tighter(a: BatchBounds, b: BatchBounds): BatchBounds {
  return {
    maxRequests: Math.min(a.maxRequests, b.maxRequests),
    maxBytes: Math.min(a.maxBytes, b.maxBytes),
  };
}

/** Nothing can interrupt it. */
function isOneBulkRun(waiting: Waiting): boolean {
  return waiting.class === 'batch' && isOneRun(waiting.function);
}

const CANCELLED: HandlerAnswer = {
  kind: 'failed',
  error: { code: 'CANCELLED', retryable: false, message: 'cancelled before it ran' },
};

export function requestOf(asked: {
  readonly requestId: number;
  readonly attempt: Attempt;
}): ThreadRequest {
  const { spec, body, resumeTokens, maxResultBytes } = asked.attempt;
  return {
    requestId: asked.requestId,
    function: spec.function,
    format: spec.format,
    body,
    tenant: spec.tenant,
    ...(spec.key === undefined ? {} : { key: spec.key }),
    ...(spec.model === undefined ? {} : { model: spec.model }),
    stream: spec.stream,
    ...(resumeTokens.length === 0 ? {} : { resumeTokens }),
    seedText: `${spec.tenant}/${spec.task}`,
    class: spec.class,
    priority: spec.priority,
    sequence: spec.sequence,
    maxAnswerBytes: maxResultBytes,
  };
}
