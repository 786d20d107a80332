/**
 * The host's side of one actor thread: loads it, gives it one step at a time, notices its death.
 *
 * A thread that dies, breaks the protocol or hangs can't be repaired inside this OS process
 * (ending a thread in the middle of a run aborts the process): `onDeath` is called once and the
 * host must leave. Bodies are copied into buffers of their own, which are transferred.
 */
import { Worker } from 'node:worker_threads';
import { LlmosError } from '@llmos/base';
import type { GenerateChunk } from '@llmos/base';
import type { Alarm } from '../ports/alarm';
import type {
  FromThread,
  LoadOptions,
  ThreadAnswer,
  ThreadRequest,
  ThreadRole,
  ToThread,
} from './thread-protocol';

export interface ThreadLimits {
  /** From a cancel to the request's answer. */
  readonly cancelAnswerMs: number;
  /** Without any message during a step. */
  readonly stepMs: number;
  readonly closeMs: number;
}

export interface ThreadClientParts {
  readonly name: string;
  /** The thread's program file. */
  readonly entry: string;
  readonly alarm: Alarm;
  readonly limits: ThreadLimits;
  readonly onDeath: (message: string) => void;
}

export interface StepEvents {
  chunk(requestId: number, chunk: GenerateChunk): void;
  answered(answer: ThreadAnswer): void;
}

interface Step {
  readonly open: Set<number>;
  readonly events: StepEvents;
  readonly done: () => void;
}

type Loading = (outcome: { provider: string } | LlmosError) => void;

export class ThreadClient {
  private readonly worker: Worker;
  private step: Step | undefined;
  private loading: Loading | undefined;
  private cancelStepLimit: () => void = () => undefined;
  private readonly cancelLimits = new Map<number, () => void>();
  private isDead = false;
  private isClosing = false;
  private onClosed: () => void = () => undefined;

  constructor(private readonly parts: ThreadClientParts) {
    const role: ThreadRole = { role: 'llmos-actor-thread', name: parts.name };
    this.worker = new Worker(parts.entry, { workerData: role, name: parts.name });
    this.worker.on('message', (message: FromThread) => this.receive(message));
    this.worker.on('error', (error) => this.die(`it threw ${error.stack ?? error.message}`));
    this.worker.on('messageerror', (error) => this.die(`its message is broken: ${error.message}`));
    this.worker.on('exit', (code) => this.exited(code));
  }

  get isIdle(): boolean {
    return this.step === undefined && !this.isDead && !this.isClosing;
  }

  /** Call once. Throws the thread's typed error where the model can't be loaded. */
  async load(options: LoadOptions): Promise<{ provider: string }> {
    const outcome = await new Promise<{ provider: string } | LlmosError>((resolve) => {
      this.loading = resolve;
      this.post({ kind: 'load', options });
    });
    if (outcome instanceof LlmosError) throw outcome;
    return outcome;
  }

  /** One step; resolves when the thread is idle again. Only an idle thread may be given one. */
  run(requests: readonly ThreadRequest[], events: StepEvents): Promise<void> {
    if (!this.isIdle) throw new Error(`thread ${this.parts.name} is not idle`);
    return new Promise((done) => {
      this.step = { open: new Set(requests.map((request) => request.requestId)), events, done };
      const own = requests.map((request) => ({ ...request, body: new Uint8Array(request.body) }));
      this.post(
        { kind: 'run', requests: own },
        own.map((request) => request.body.buffer),
      );
      this.watchStep();
    });
  }

  /** The request is still answered, soon; a thread that does not is dead. */
  cancel(requestId: number): void {
    const isOpen = !this.isDead && this.step?.open.has(requestId) === true;
    if (!isOpen || this.cancelLimits.has(requestId)) return;
    const { cancelAnswerMs } = this.parts.limits;
    this.post({ kind: 'cancel', requestId });
    this.cancelLimits.set(
      requestId,
      this.parts.alarm.after(cancelAnswerMs, () => {
        this.die(`it did not answer a cancel within ${cancelAnswerMs} ms`);
      }),
    );
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
    this.cancelStepLimit();
    await new Promise<void>((resolve) => {
      const cancel = this.parts.alarm.after(this.parts.limits.closeMs, resolve);
      this.onClosed = () => {
        cancel();
        resolve();
      };
      this.post({ kind: 'close' });
    });
  }

  private receive(message: FromThread): void {
    if (this.isDead) return;
    switch (message.kind) {
      case 'loaded':
        this.loading?.({ provider: message.provider });
        return;
      case 'load-failed':
        this.loading?.(new LlmosError(message.code, message.message));
        return;
      case 'chunk':
        this.watchStep();
        if (this.step?.open.has(message.requestId) === true) {
          this.step.events.chunk(message.requestId, message.chunk);
        }
        return;
      case 'answered':
        this.answered(message.answer);
        return;
      case 'idle':
        this.stepEnded();
        return;
      case 'closed':
        this.onClosed();
        return;
    }
  }

  private answered(answer: ThreadAnswer): void {
    if (this.step?.open.delete(answer.requestId) !== true) {
      this.die(`it answered request ${answer.requestId}, which is not open`);
      return;
    }
    this.watchStep();
    this.forgetCancel(answer.requestId);
    this.step.events.answered(answer);
  }

  private stepEnded(): void {
    const { step } = this;
    if (step === undefined) return;
    const [unanswered] = step.open;
    if (unanswered !== undefined) {
      this.die(`it ended a step without an answer to request ${unanswered}`);
      return;
    }
    this.cancelStepLimit();
    this.step = undefined;
    step.done();
  }

  private watchStep(): void {
    const { stepMs } = this.parts.limits;
    this.cancelStepLimit();
    this.cancelStepLimit = this.parts.alarm.after(stepMs, () => {
      this.die(`it gave no sign of life for ${stepMs} ms`);
    });
  }

  private forgetCancel(requestId: number): void {
    this.cancelLimits.get(requestId)?.();
    this.cancelLimits.delete(requestId);
  }

  private exited(code: number): void {
    this.onClosed();
    if (!this.isClosing) this.die(`it exited with code ${code}`);
  }

  private die(why: string): void {
    if (this.isDead) return;
    this.isDead = true;
    this.cancelStepLimit();
    for (const requestId of [...this.cancelLimits.keys()]) this.forgetCancel(requestId);
    const message = `actor thread ${this.parts.name} died: ${why}`;
    this.loading?.(new LlmosError('INTERNAL', message, { retryable: true }));
    this.parts.onDeath(message);
  }

  private post(message: ToThread, transfer: readonly ArrayBuffer[] = []): void {
    this.worker.postMessage(message, [...transfer]);
  }
}
