/**
 * Runs the attempts of a model that generates: pulls from the mailbox what the rows of its thread
 * have room for, and gives answers back.
 *
 * Requests wait in the mailbox; in the thread are those that run. Nothing is batched here: a
 * request joins those that run at once, and the engine decides between two steps which of their
 * sequences has a row (a request may be several, and memory may allow fewer rows than usual).
 *
 * - G1: a request is taken only where those as urgent as it is leave it a row: a free one, or that
 *   of one of a lower class, which the engine switches out and which goes on when a row is free. Of
 *   its class, those of a lower priority keep their rows; it is taken all the same, so that the
 *   next free row is its own and not that of one of them that was switched out.
 * - G2: what was taken and has not ended is in `open`, and nowhere in the mailbox. It is asked back
 *   by its thread, with what it has, and never put back into the line here.
 * - G3: a cancel and a preemption of what waits are the mailbox's; of what is open, the thread's.
 */
import type { AttemptCost } from '@llmos/base';
import { builtInTraits, classRank } from '@llmos/base';
import type { AttemptRunner, HandlerAnswer, WaitingAttempt, WaitingLine } from '@llmos/process';
import { GIVEN_BACK, NOTHING_WAITS } from '@llmos/process';
import type { GenerationEvents, GivenBack } from '../actors/thread-client';
import type { ThreadAnswer, ThreadRequest } from '../actors/thread-protocol';
import type { HostMeter } from './host-meter';
import { answerOfLost } from './lost-thread';
import { requestOf } from './thread-request';

/** As much of a thread as the dispatcher needs. */
export interface GenerateThread {
  join(requests: readonly ThreadRequest[], events: GenerationEvents): void;
  cancel(requestId: number): void;
  preempt(requestId: number): void;
}

export interface GenerateDispatcherParts {
  readonly thread: GenerateThread;
  /** Sequences that share a step. */
  readonly maxRows: number;
  readonly meter: Pick<HostMeter, 'addChunk' | 'addFirstToken' | 'addTokens'>;
}

export class GenerateDispatcher implements AttemptRunner {
  private line: WaitingLine = NOTHING_WAITS;
  private readonly open = new Map<number, WaitingAttempt>();
  private lastRequestId = 0;
  private isLost = false;
  private readonly events: GenerationEvents = {
    chunk: (requestId, chunk) => {
      this.parts.meter.addChunk();
      this.open.get(requestId)?.attempt.emitChunk(chunk);
    },
    began: (requestId) => {
      const open = this.open.get(requestId);
      if (open !== undefined) this.parts.meter.addFirstToken(open.attempt.spec);
    },
    cost: (requestId, soFar) => this.open.get(requestId)?.attempt.tellCost(soFar),
    answered: (answer) => this.answered(answer),
    preempted: (given) => this.givenBack(given),
  };

  constructor(private readonly parts: GenerateDispatcherParts) {}

  serve(line: WaitingLine): void {
    this.line = line;
  }

  wake(): void {
    if (this.isLost) this.giveBackAll();
    else this.fill();
  }

  /** The thread reached the bound of its memory. */
  loseThread(_thread: GenerateThread, heapBytes: number): void {
    this.isLost = true;
    const open = [...this.open.values()];
    this.open.clear();
    const answer = answerOfLost(open.length, heapBytes);
    for (const waiting of open) this.line.answer(waiting, answer);
    this.giveBackAll();
  }

  private giveBackAll(): void {
    for (const waiting of this.line.inOrder()) {
      this.line.take(waiting);
      this.line.answer(waiting, GIVEN_BACK);
    }
  }

  private fill(): void {
    const requests: ThreadRequest[] = [];
    while (this.line.waitingCount > 0) {
      const [next] = this.line.inOrder((waiting) => this.mayRun(waiting));
      if (next === undefined) break;
      requests.push(this.begin(next));
    }
    if (requests.length > 0) this.parts.thread.join(requests, this.events);
  }

  /** G1. */
  private mayRun(waiting: WaitingAttempt): boolean {
    if (!hasRow(waiting)) return true;
    let before = 0;
    for (const open of this.open.values()) {
      if (hasRow(open) && !isLessUrgent(open, waiting)) before += 1;
    }
    return before < this.parts.maxRows;
  }

  private begin(waiting: WaitingAttempt): ThreadRequest {
    const { thread } = this.parts;
    const { attempt } = waiting;
    this.line.take(waiting);
    this.lastRequestId += 1;
    const requestId = this.lastRequestId;
    this.open.set(requestId, waiting);
    const ask = (signal: AbortSignal, what: (id: number) => void): void => {
      const askOpen = (): void => {
        if (this.open.has(requestId)) what(requestId);
      };
      signal.addEventListener('abort', askOpen, { once: true });
    };
    ask(attempt.signal, (id) => thread.cancel(id));
    // What else this model serves can't be given back, and ends soon.
    if (builtInTraits(waiting.function).preemptible)
      ask(attempt.preemption, (id) => thread.preempt(id));
    return requestOf(requestId, attempt);
  }

  private answered({ requestId, result, error, tokens, cost }: ThreadAnswer): void {
    if (tokens !== undefined) this.parts.meter.addTokens(tokens);
    this.end(requestId, { kind: 'answered', result, ...(error && { error }) }, cost);
  }

  private givenBack({ requestId, tokens, text, cost }: GivenBack): void {
    this.end(requestId, { kind: 'preempted', state: { tokens, text } }, cost);
  }

  private end(requestId: number, answer: HandlerAnswer, cost: AttemptCost | undefined): void {
    const open = this.open.get(requestId);
    if (open === undefined) return;
    this.open.delete(requestId);
    if (cost !== undefined) open.attempt.tellCost(cost);
    // The row is filled before the answer costs this thread any time.
    this.line.ended(open);
    this.fill();
    this.line.answer(open, answer);
  }
}

/** Whatever its age: of equals, whoever has begun goes first. */
function isLessUrgent(open: WaitingAttempt, than: WaitingAttempt): boolean {
  const [rank, other] = [classRank(open.class), classRank(than.class)];
  return rank === other ? open.priority < than.priority : rank > other;
}

/** What else this model serves is a step of its own between those of the rows. */
function hasRow({ function: name }: WaitingAttempt): boolean {
  return builtInTraits(name).keepsRows;
}
