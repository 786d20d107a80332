/**
 * The host's side of one actor thread: loads it, gives it one step at a time (`run`), and requests
 * that join what runs (`join`). Holds it to its protocol (T1 … T6), and notices its death.
 *
 * One writer of `open`: what the thread was given and has not answered. Whoever gives requests may
 * assume that each of them is answered once, or that `onDeath` was called; never both, and nothing
 * is answered after a death.
 *
 * - C1: a thread that dies, breaks the protocol or hangs can't be repaired inside this OS process
 *   (ending a thread in the middle of a run aborts the process): `onDeath` is called once and the
 *   host must leave; at once, but where the thread reached the bound of its memory.
 * - C2: while anything is open, every message is a sign of life, and too long without one is death.
 *   A cancel or preemption has a limit of its own, which only its answer ends.
 * - C3: a body from NATS is a part of a larger buffer, of which a message would carry all: each is
 *   copied into one of its own first.
 */
import { Worker } from 'node:worker_threads';
import { LlmosError } from '@llmos/base';
import type { AttemptCost, GenerateChunk } from '@llmos/base';
import type { Alarm } from '../ports/alarm';
import { MOST_COPIED_BYTES } from './thread-protocol';
import type {
  ContextCounts,
  FromThread,
  LoadOptions,
  ThreadAnswer,
  ThreadRequest,
  ThreadRole,
  ToThread,
} from './thread-protocol';

export interface ThreadLimits {
  /** From a cancel or a preemption to the request's answer. */
  readonly cancelAnswerMs: number;
  /** Without any message while a request is open. */
  readonly stepMs: number;
  readonly closeMs: number;
}

export interface ThreadDeath {
  readonly message: string;
  /** Set where its JavaScript needed more than this: nothing else of the OS process is harmed. */
  readonly heapBytes?: number;
}

export interface ThreadClientParts {
  readonly name: string;
  /** The thread's program file. */
  readonly entry: string;
  readonly alarm: Alarm;
  /** Of its JavaScript: a thread that needs more is dead. Absent: as much as Node.js gives. */
  readonly heapBytes?: number;
  readonly limits: ThreadLimits;
  readonly onDeath: (death: ThreadDeath) => void;
  /** What a thread that generates holds now. */
  readonly onContexts?: (counts: ContextCounts) => void;
}

export interface StepEvents {
  /** So far; it only grows. */
  cost(requestId: number, soFar: AttemptCost): void;
  chunk(requestId: number, chunk: GenerateChunk): void;
  answered(answer: ThreadAnswer): void;
}

/** A generation that was given back. */
export type GivenBack = Omit<Extract<FromThread, { kind: 'preempted' }>, 'kind'>;

export interface GenerationEvents extends StepEvents {
  began(requestId: number): void;
  preempted(given: GivenBack): void;
}

/** A request that the thread has not answered. */
interface Open {
  readonly events: StepEvents | GenerationEvents;
  isCancelled: boolean;
  isPreempted: boolean;
  /** Of the time that a cancel or a preemption may take. */
  cancelLimit: () => void;
}

const MIB = 1024 * 1024;

type Loading = (outcome: { provider: string } | LlmosError) => void;

export class ThreadClient {
  private readonly worker: Worker;
  private readonly open = new Map<number, Open>();
  /** Ends the step that runs; undefined between two, and in a thread that generates. */
  private stepDone: (() => void) | undefined;
  private givenRuns = 0;
  private loading: Loading | undefined;
  private cancelLifeLimit: () => void = () => undefined;
  private isDead = false;
  private isClosing = false;
  private onClosed: () => void = () => undefined;

  constructor(private readonly parts: ThreadClientParts) {
    const role: ThreadRole = { role: 'llmos-actor-thread', name: parts.name };
    this.worker = new Worker(parts.entry, {
      workerData: role,
      name: parts.name,
      ...(parts.heapBytes === undefined
        ? {}
        : { resourceLimits: { maxOldGenerationSizeMb: Math.ceil(parts.heapBytes / MIB) } }),
    });
    this.worker.on('message', (message: FromThread) => this.receive(message));
    this.worker.on('error', (error) => this.failed(error));
    this.worker.on('messageerror', (error) => this.die(`its message is broken: ${error.message}`));
    this.worker.on('exit', (code) => this.exited(code));
  }

  get isIdle(): boolean {
    const isBusy = this.stepDone !== undefined || this.open.size > 0;
    return !isBusy && !this.isDead && !this.isClosing;
  }

  /** Call once. Throws the thread's typed error where the model can't be loaded. */
  async load(options: LoadOptions): Promise<{ provider: string }> {
    const outcome = await new Promise<{ provider: string } | LlmosError>((resolve) => {
      this.loading = resolve;
      this.post({ kind: 'load', options });
    });
    this.loading = undefined;
    if (outcome instanceof LlmosError) throw outcome;
    return outcome;
  }

  /** One step; resolves when the thread is idle again. Only an idle thread may be given one. */
  run(requests: readonly ThreadRequest[], events: StepEvents): Promise<void> {
    if (!this.isIdle) throw new Error(`thread ${this.parts.name} is not idle`);
    return new Promise((done) => {
      this.stepDone = done;
      this.give(requests, events);
    });
  }

  /**
   * To a thread that generates at any time, to another one while its step runs, which is over only
   * when these are answered as well. Nothing is answered once the thread is dead.
   */
  join(requests: readonly ThreadRequest[], events: StepEvents | GenerationEvents): void {
    if (!this.isDead && !this.isClosing) this.give(requests, events);
  }

  /** The request is still answered, soon; a thread that does not is dead. */
  cancel(requestId: number): void {
    const open = this.open.get(requestId);
    if (this.isDead || open === undefined || open.isCancelled) return;
    open.isCancelled = true;
    this.post({ kind: 'cancel', requestId });
    this.limitAnswer(open, 'a cancel');
  }

  /** It is given back at the next token boundary, or answered where it ends first. */
  preempt(requestId: number): void {
    const open = this.open.get(requestId);
    if (this.isDead || open === undefined || open.isPreempted || open.isCancelled) return;
    open.isPreempted = true;
    this.post({ kind: 'preempt', requestId });
    this.limitAnswer(open, 'a preemption');
  }

  /** Releases the sessions and ends the thread; resolves when it has, or the limit is over. */
  async close(): Promise<void> {
    if (this.isClosing) return;
    if (this.isDead) {
      // It may spin for ever. Should this abort the OS process: that one is lost anyway.
      await this.worker.terminate();
      return;
    }
    this.isClosing = true;
    this.cancelLifeLimit();
    await new Promise<void>((resolve) => {
      const cancel = this.parts.alarm.after(this.parts.limits.closeMs, resolve);
      this.onClosed = () => {
        cancel();
        resolve();
      };
      this.post({ kind: 'close' });
    });
  }

  private give(requests: readonly ThreadRequest[], events: StepEvents | GenerationEvents): void {
    this.givenRuns += 1;
    // C3.
    const own = requests.map((request) => ({ ...request, body: new Uint8Array(request.body) }));
    for (const { requestId } of own) {
      const asked = { isCancelled: false, isPreempted: false, cancelLimit: () => undefined };
      this.open.set(requestId, { events, ...asked });
    }
    this.post(
      { kind: 'run', requests: own },
      own
        .filter(({ body }) => body.length > MOST_COPIED_BYTES)
        .map((request) => request.body.buffer),
    );
    this.watchLife();
  }

  private receive(message: FromThread): void {
    if (this.isDead) return;
    switch (message.kind) {
      case 'loaded':
        this.loading?.({ provider: message.provider });
        return;
      case 'load-failed':
        this.loading?.(LlmosError.fromBody(message));
        return;
      case 'chunk':
        this.watchLife();
        this.open.get(message.requestId)?.events.chunk(message.requestId, message.chunk);
        return;
      case 'began':
        this.watchLife();
        this.began(message.requestId);
        return;
      case 'answered':
        this.answered(message.answers);
        return;
      case 'preempted':
        this.givenBack(message);
        return;
      case 'costs':
        this.watchLife();
        for (const [id, soFar] of message.costs) this.open.get(id)?.events.cost(id, soFar);
        return;
      case 'contexts':
        this.watchLife();
        this.parts.onContexts?.(message.counts);
        return;
      case 'idle':
        this.answered(message.answers);
        this.stepEnded(message.heardRuns);
        return;
      case 'closed':
        this.onClosed();
        return;
    }
  }

  private answered(answers: readonly ThreadAnswer[]): void {
    for (const answer of answers) this.settle(answer.requestId)?.answered(answer);
    this.watchLife();
  }

  /** The request has its one answer (T2); undefined where the thread broke the protocol. */
  private settle(requestId: number): StepEvents | GenerationEvents | undefined {
    const open = this.open.get(requestId);
    if (open === undefined) {
      this.die(`it answered request ${requestId}, which is not open`);
      return undefined;
    }
    this.open.delete(requestId);
    open.cancelLimit();
    return open.events;
  }

  private began(requestId: number): void {
    const { events } = this.open.get(requestId) ?? {};
    if (events !== undefined && 'began' in events) events.began(requestId);
  }

  private givenBack(given: GivenBack): void {
    const events = this.settle(given.requestId);
    this.watchLife();
    if (events === undefined) return;
    if ('preempted' in events) events.preempted(given);
    else this.die(`it gave back request ${given.requestId} of a step`);
  }

  /** A thread that generates says so too, perhaps before it heard of the latest requests (T4). */
  private stepEnded(heardRuns: number): void {
    const { stepDone } = this;
    if (stepDone === undefined || heardRuns < this.givenRuns) return;
    const [unanswered] = this.open.keys();
    if (unanswered !== undefined) {
      this.die(`it ended a step without an answer to request ${unanswered}`);
      return;
    }
    this.stepDone = undefined;
    this.watchLife();
    stepDone();
  }

  private watchLife(): void {
    const { stepMs } = this.parts.limits;
    this.cancelLifeLimit();
    if (this.isDead) return;
    if (this.stepDone === undefined && this.open.size === 0) return;
    this.cancelLifeLimit = this.parts.alarm.after(stepMs, () => {
      this.die(`it gave no sign of life for ${stepMs} ms`);
    });
  }

  private limitAnswer(open: Open, what: string): void {
    const { cancelAnswerMs } = this.parts.limits;
    open.cancelLimit();
    open.cancelLimit = this.parts.alarm.after(cancelAnswerMs, () => {
      this.die(`it did not answer ${what} within ${cancelAnswerMs} ms`);
    });
  }

  private failed(error: Error & { readonly code?: string }): void {
    const { heapBytes } = this.parts;
    if (error.code === 'ERR_WORKER_OUT_OF_MEMORY' && heapBytes !== undefined) {
      this.die(`its JavaScript needs more than ${heapBytes} bytes of memory`, heapBytes);
    } else this.die(`it threw ${error.stack ?? error.message}`);
  }

  private exited(code: number): void {
    this.onClosed();
    if (!this.isClosing) this.die(`it exited with code ${code}`);
  }

  private die(why: string, heapBytes?: number): void {
    if (this.isDead) return;
    this.isDead = true;
    this.cancelLifeLimit();
    for (const open of this.open.values()) open.cancelLimit();
    const message = `actor thread ${this.parts.name} died: ${why}`;
    if (this.loading !== undefined && heapBytes !== undefined) {
      // Another try on this machine needs as much.
      this.loading(new LlmosError('RESOURCE_EXHAUSTED', message, { retryable: false }));
      return;
    }
    this.loading?.(new LlmosError('INTERNAL', message, { retryable: true }));
    this.parts.onDeath({ message, ...(heapBytes === undefined ? {} : { heapBytes }) });
  }

  private post(message: ToThread, transfer: readonly ArrayBuffer[] = []): void {
    this.worker.postMessage(message, [...transfer]);
  }
}
