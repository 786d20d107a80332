/**
 * Gives a host's generations to its thread, which runs them side by side, and their answers back.
 *
 * Nothing is batched here: a request joins those that run at once, and the engine decides between
 * two steps who goes on. Only beyond a bound do attempts wait here, the most urgent first.
 */
import type { AttemptCost } from '@llmos/base';
import { compareUrgency } from '@llmos/base';
import type { Attempt, HandlerAnswer } from '@llmos/process';
import type { GenerationEvents, GivenBack } from '../actors/thread-client';
import type { ThreadAnswer, ThreadRequest } from '../actors/thread-protocol';
import { requestOf } from './batch-dispatcher';
import type { HostMeter } from './host-meter';
import { GIVEN_BACK, answerOfLost } from './lost-thread';

/** As much of a thread as the dispatcher needs. */
export interface GenerateThread {
  join(requests: readonly ThreadRequest[], events: GenerationEvents): void;
  cancel(requestId: number): void;
  preempt(requestId: number): void;
}

export interface GenerateDispatcherParts {
  readonly thread: GenerateThread;
  /** Requests that the thread has at once. */
  readonly maxOpen: number;
  readonly meter: Pick<HostMeter, 'addChunk' | 'addFirstToken' | 'addTokens'>;
}

interface Asked {
  readonly requestId: number;
  readonly attempt: Attempt;
  readonly resolve: (answer: HandlerAnswer) => void;
}

export class GenerateDispatcher {
  private readonly waiting: Asked[] = [];
  private readonly open = new Map<number, Asked>();
  private lastRequestId = 0;
  private isLost = false;
  private readonly events: GenerationEvents = {
    chunk: (requestId, chunk) => {
      this.parts.meter.addChunk();
      this.open.get(requestId)?.attempt.emitChunk(chunk);
    },
    began: (requestId) => {
      const asked = this.open.get(requestId);
      if (asked !== undefined) this.parts.meter.addFirstToken(asked.attempt.spec);
    },
    cost: (requestId, soFar) => this.open.get(requestId)?.attempt.tellCost(soFar),
    answered: (answer) => this.answered(answer),
    preempted: (given) => this.givenBack(given),
  };

  constructor(private readonly parts: GenerateDispatcherParts) {}

  /** The host's attempt handler. */
  handle(attempt: Attempt): Promise<HandlerAnswer> {
    if (this.isLost) return Promise.resolve(GIVEN_BACK);
    return new Promise((resolve) => {
      this.lastRequestId += 1;
      const asked: Asked = { requestId: this.lastRequestId, attempt, resolve };
      this.insert(asked);
      attempt.signal.addEventListener('abort', () => this.cancel(asked), { once: true });
      attempt.preemption.addEventListener('abort', () => this.preempt(asked), { once: true });
      if (attempt.preemption.aborted) this.preempt(asked);
      this.fill();
    });
  }

  /** The thread reached the bound of its memory. */
  loseThread(_thread: GenerateThread, heapBytes: number): void {
    this.isLost = true;
    const open = [...this.open.values()];
    this.open.clear();
    for (const { resolve } of this.waiting.splice(0)) resolve(GIVEN_BACK);
    const answer = answerOfLost(open.length, heapBytes);
    for (const { resolve } of open) resolve(answer);
  }

  private insert(asked: Asked): void {
    const index = this.waiting.findLastIndex(
      (other) => compareUrgency(other.attempt.spec, asked.attempt.spec) <= 0,
    );
    this.waiting.splice(index + 1, 0, asked);
  }

  private fill(): void {
    while (this.open.size < this.parts.maxOpen) {
      const asked = this.waiting.shift();
      if (asked === undefined) return;
      this.open.set(asked.requestId, asked);
      this.parts.thread.join([requestOf(asked)], this.events);
    }
  }

  private cancel(asked: Asked): void {
    if (this.open.has(asked.requestId)) this.parts.thread.cancel(asked.requestId);
    else if (this.leaveQueue(asked)) asked.resolve(CANCELLED);
  }

  private preempt(asked: Asked): void {
    if (this.open.has(asked.requestId)) {
      // Only a generation can be given back; what else this model serves ends soon.
      if (asked.attempt.spec.function === 'generate') this.parts.thread.preempt(asked.requestId);
    } else if (this.leaveQueue(asked)) {
      asked.resolve(GIVEN_BACK);
    }
  }

  private leaveQueue(asked: Asked): boolean {
    const index = this.waiting.indexOf(asked);
    if (index >= 0) this.waiting.splice(index, 1);
    return index >= 0;
  }

  private answered({ requestId, result, error, tokens, cost }: ThreadAnswer): void {
    if (tokens !== undefined) this.parts.meter.addTokens(tokens);
    this.end(requestId, { kind: 'answered', result, ...(error && { error }) }, cost);
  }

  private givenBack({ requestId, tokens, text, cost }: GivenBack): void {
    this.end(requestId, { kind: 'preempted', state: { tokens, text } }, cost);
  }

  private end(requestId: number, answer: HandlerAnswer, cost: AttemptCost | undefined): void {
    const asked = this.open.get(requestId);
    this.open.delete(requestId);
    if (cost !== undefined) asked?.attempt.tellCost(cost);
    asked?.resolve(answer);
    this.fill();
  }
}

const CANCELLED: HandlerAnswer = {
  kind: 'failed',
  error: { code: 'CANCELLED', retryable: false, message: 'cancelled before it ran' },
};
