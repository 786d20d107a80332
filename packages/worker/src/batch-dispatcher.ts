/**
 * Gives a host's attempts to its actor threads, batch by batch, and their answers back. (What
 * generates has `GenerateDispatcher`.)
 *
 * Waiting attempts are ordered by urgency, so that an urgent one is in the very next batch. A
 * cancelled one leaves the queue at once, or its step as soon as the thread can.
 */
import type { Clock } from '@llmos/base';
import { compareUrgency } from '@llmos/base';
import type { Attempt, HandlerAnswer } from '@llmos/process';
import type { StepEvents } from './actors/thread-client';
import type { ThreadAnswer, ThreadRequest } from './actors/thread-protocol';
import type { BatchBounds, WaitingRequest } from './engine/batch-policy';
import { planBatch } from './engine/batch-policy';
import type { HostMeter } from './host-meter';
import type { Alarm } from './ports/alarm';

/** As much of a thread as the dispatcher needs. */
export interface StepThread {
  readonly isIdle: boolean;
  run(requests: readonly ThreadRequest[], events: StepEvents): Promise<void>;
  cancel(requestId: number): void;
}

export interface BatchDispatcherParts {
  readonly threads: readonly StepThread[];
  readonly bounds: BatchBounds;
  readonly meter: Pick<HostMeter, 'addStep' | 'addChunk' | 'addTokens'>;
  readonly clock: Clock;
  readonly alarm: Alarm;
}

interface Waiting extends WaitingRequest {
  readonly requestId: number;
  readonly attempt: Attempt;
  readonly resolve: (answer: HandlerAnswer) => void;
  thread: StepThread | undefined;
}

export class BatchDispatcher {
  private readonly waiting: Waiting[] = [];
  private readonly running = new Map<number, Waiting>();
  private answers: (() => void)[] = [];
  private lastRequestId = 0;
  private isPumpDue = false;
  private cancelWait: () => void = () => undefined;

  constructor(private readonly parts: BatchDispatcherParts) {}

  /** The host's attempt handler. */
  handle(attempt: Attempt): Promise<HandlerAnswer> {
    return new Promise((resolve) => {
      this.lastRequestId += 1;
      const waiting: Waiting = {
        requestId: this.lastRequestId,
        class: attempt.spec.class,
        priority: attempt.spec.priority,
        function: attempt.spec.function,
        bytes: attempt.body.length,
        arrivedAtMs: this.parts.clock.nowMs(),
        attempt,
        resolve,
        thread: undefined,
      };
      this.insert(waiting);
      attempt.signal.addEventListener('abort', () => this.cancel(waiting), { once: true });
      this.pumpSoon();
    });
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
      waiting.thread?.cancel(waiting.requestId);
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
    for (const thread of this.parts.threads) {
      if (!thread.isIdle) continue;
      const nowMs = this.parts.clock.nowMs();
      const plan = planBatch(this.waiting, {
        bounds: this.parts.bounds,
        nowMs,
        idleThreads: this.parts.threads.filter((each) => each.isIdle).length,
      });
      if (plan.kind === 'idle') return;
      if (plan.kind === 'wait') {
        this.cancelWait = this.parts.alarm.after(plan.untilMs - nowMs, () => this.pump());
        return;
      }
      this.run(thread, plan.requests);
    }
  }

  private run(thread: StepThread, batch: readonly Waiting[]): void {
    for (const waiting of batch) {
      this.waiting.splice(this.waiting.indexOf(waiting), 1);
      waiting.thread = thread;
      this.running.set(waiting.requestId, waiting);
    }
    const startedAtMs = this.parts.clock.nowMs();
    const events: StepEvents = {
      chunk: (requestId, chunk) => {
        this.parts.meter.addChunk();
        this.running.get(requestId)?.attempt.emitChunk(chunk);
      },
      answered: (answer) => this.answered(answer),
    };
    void thread.run(batch.map(requestOf), events).then(() => {
      const durationMs = this.parts.clock.nowMs() - startedAtMs;
      this.parts.meter.addStep({ requestCount: batch.length, durationMs });
      this.pump();
    });
  }

  private answered(answer: ThreadAnswer): void {
    const waiting = this.running.get(answer.requestId);
    this.running.delete(answer.requestId);
    const { result, error, tokens } = answer;
    if (tokens !== undefined) this.parts.meter.addTokens(tokens);
    if (waiting === undefined) return;
    const given: HandlerAnswer = { kind: 'answered', result, ...(error && { error }) };
    this.answers.push(() => waiting.resolve(given));
    if (this.answers.length === 1) setImmediate(() => this.giveAnswers());
  }

  /** After this turn of the event loop: answers that came together are committed together. */
  private giveAnswers(): void {
    const answers = this.answers;
    this.answers = [];
    for (const give of answers) give();
  }
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
