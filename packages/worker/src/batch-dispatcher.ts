/**
 * Gives a host's attempts to its actor threads, batch by batch, and their answers back.
 *
 * Waiting attempts are ordered by urgency, so that an urgent one is in the very next batch. A
 * cancelled one leaves the queue at once, or its step as soon as the thread can.
 */
import type { Clock } from '@llmos/base';
import type { Attempt, HandlerAnswer } from '@llmos/process';
import { compareUrgency } from '@llmos/process';
import type { StepEvents } from './actors/thread-client';
import type { ThreadAnswer, ThreadRequest } from './actors/thread-protocol';
import type { BatchBounds, WaitingRequest } from './engine/batch-policy';
import { planBatch } from './engine/batch-policy';
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
  private lastRequestId = 0;
  private isPumpDue = false;
  private cancelWait: () => void = () => undefined;
  private readonly totals = { steps: 0, stepRequests: 0, chunks: 0 };

  constructor(private readonly parts: BatchDispatcherParts) {}

  counts(): { readonly steps: number; readonly stepRequests: number; readonly chunks: number } {
    return { ...this.totals };
  }

  /** The host's attempt handler. */
  handle(attempt: Attempt): Promise<HandlerAnswer> {
    return new Promise((resolve) => {
      this.lastRequestId += 1;
      const waiting: Waiting = {
        requestId: this.lastRequestId,
        class: attempt.spec.class,
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
      const plan = planBatch(this.waiting, this.parts.bounds, nowMs);
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
    this.totals.steps += 1;
    this.totals.stepRequests += batch.length;
    const events: StepEvents = {
      chunk: (requestId, chunk) => {
        this.totals.chunks += 1;
        this.running.get(requestId)?.attempt.emitChunk(chunk);
      },
      answered: (answer) => this.answered(answer),
    };
    void thread.run(batch.map(requestOf), events).then(() => this.pump());
  }

  private answered(answer: ThreadAnswer): void {
    const waiting = this.running.get(answer.requestId);
    this.running.delete(answer.requestId);
    const { result, error } = answer;
    waiting?.resolve({ kind: 'answered', result, ...(error === undefined ? {} : { error }) });
  }
}

const CANCELLED: HandlerAnswer = {
  kind: 'failed',
  error: { code: 'CANCELLED', retryable: false, message: 'cancelled before it ran' },
};

function requestOf(waiting: Waiting): ThreadRequest {
  const { spec, body, resumeTokens } = waiting.attempt;
  return {
    requestId: waiting.requestId,
    function: spec.function,
    format: spec.format,
    body,
    tenant: spec.tenant,
    ...(spec.key === undefined ? {} : { key: spec.key }),
    ...(spec.model === undefined ? {} : { model: spec.model }),
    stream: spec.stream,
    ...(resumeTokens.length === 0 ? {} : { resumeTokens }),
    seedText: `${spec.tenant}/${spec.task}`,
  };
}
