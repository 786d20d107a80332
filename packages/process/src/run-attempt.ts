/**
 * One attempt from its body to its end: body → earlier chunks → handler → last chunk → commit, or
 * what it has so far where it is given back.
 *
 * Others of the same task may run at the same time, here or elsewhere: a leader that was replaced
 * gave them out. Nobody locks anything; the store decides, by the sequence after which each chunk
 * and the one result must come.
 *
 * - U1: it ends once, and never throws; what the handler throws becomes the attempt's error.
 * - U2: nothing is stored after its signal has aborted, but what is under way then; what counts is
 *   what the store says.
 * - U3: every chunk is stored before the result: a reader who sees the result misses no token.
 * - U4: a result is committed once per task (commit.ts). A retryable error is not: the kernel
 *   decides whether there is another attempt.
 * - U5: what is given back commits nothing, and stores what it has, so that the next attempt goes
 *   on after it.
 */
import type {
  AttemptCost,
  AttemptOutcome,
  AttemptSpec,
  Clock,
  ErrorBody,
  FunctionTraits,
  Logger,
} from '@llmos/base';
import { backoffMs, errorBody, toErrorBody } from '@llmos/base';
import type { AttemptHandler, HandlerAnswer, StopReason } from './attempt';
import { refOf } from './attempt';
import type { ChunkPace } from './chunk-pace';
import type { ChunkEnd } from './chunk-writer';
import { ChunkWriter } from './chunk-writer';
import { commitResult } from './commit';
import { PROCESS_LIMITS } from './limits';
import type { Pause } from './pause';
import type { TaskStore } from './ports/task-store';

export interface AttemptParts {
  readonly store: TaskStore;
  readonly handler: AttemptHandler;
  /** Of the attempt's function. */
  readonly traits: FunctionTraits;
  readonly pause: Pause;
  readonly clock: Clock;
  readonly log: Logger;
  readonly chunkPace: ChunkPace;
  /** Aborted with a StopReason. */
  readonly abort: AbortController;
  /** Aborts where the attempt should be given back. */
  readonly preemption: AbortSignal;
  readonly onCost: (soFar: AttemptCost) => void;
  /** See ProcessOptions. */
  readonly onFirstToken?: (of: AttemptSpec) => void;
}

export async function runAttempt(parts: AttemptParts, spec: AttemptSpec): Promise<AttemptOutcome> {
  if (parts.clock.nowMs() >= spec.deadlineAtMs) parts.abort.abort('DEADLINE_EXCEEDED');
  const run = new AttemptRun(parts, spec);
  try {
    return (await run.run()) ?? stopped(parts.abort.signal);
  } catch (thrown) {
    parts.log.error('attempt-broke', { ...refOf(spec), error: thrown });
    return { kind: 'failed', error: toErrorBody(thrown) };
  }
}

/** The outcome of an attempt whose signal has aborted. */
function stopped(signal: AbortSignal): AttemptOutcome {
  return { kind: 'stopped', reason: signal.reason as StopReason };
}

class AttemptRun {
  private chunkEnd: ChunkEnd | undefined;
  private readonly signal: AbortSignal;

  constructor(
    private readonly parts: AttemptParts,
    private readonly spec: AttemptSpec,
  ) {
    this.signal = parts.abort.signal;
  }

  /** Undefined where the signal aborted on the way. */
  async run(): Promise<AttemptOutcome | undefined> {
    const body = await this.readBody();
    if (body === undefined) return undefined;
    if (!(body instanceof Uint8Array)) return this.settle({ kind: 'failed', error: body });
    const writer = this.createWriter();
    if (this.streams() || this.mayResume()) await writer.open();
    if (this.signal.aborted) return this.endedByStream();
    const answer = await this.handle(body, writer);
    // U3, U5.
    if (answer.kind === 'preempted') await writer.keep(answer.state);
    else await writer.flush();
    if (this.signal.aborted) return this.endedByStream();
    return answer.kind === 'preempted' ? { kind: 'preempted' } : this.settle(answer);
  }

  /** An earlier attempt may have been given back; without a stream that is all it stores. */
  private mayResume(): boolean {
    return this.parts.traits.resumable && this.spec.attempt > 1;
  }

  private streams(): boolean {
    return this.parts.traits.streams && this.spec.stream;
  }

  private createWriter(): ChunkWriter {
    return new ChunkWriter({
      store: this.parts.store,
      ref: refOf(this.spec),
      pause: this.parts.pause,
      signal: this.signal,
      pace: this.parts.chunkPace,
      onEnd: (end) => {
        this.chunkEnd = end;
        this.parts.log.warn('stream-ended', { ...refOf(this.spec), end });
        this.parts.abort.abort('REPLACED');
      },
      // What is kept for the next attempt alone is no token for a reader.
      onFirstToken: () => {
        if (this.streams()) this.parts.onFirstToken?.(this.spec);
      },
    });
  }

  private endedByStream(): AttemptOutcome | undefined {
    if (this.chunkEnd?.kind !== 'failed') return undefined;
    return { kind: 'failed', error: this.chunkEnd.error };
  }

  private async handle(body: Uint8Array, writer: ChunkWriter): Promise<HandlerAnswer> {
    try {
      return await this.parts.handler({
        spec: this.spec,
        body,
        signal: this.signal,
        preemption: this.parts.preemption,
        // The writer's own list grows with what this attempt stores.
        resumeTokens: [...writer.resumeTokens],
        maxResultBytes: this.parts.store.maxBodyBytes,
        tellCost: this.parts.onCost,
        emitChunk: (chunk) => {
          if (this.streams()) writer.emit(chunk);
        },
      });
    } catch (thrown) {
      return { kind: 'failed', error: toErrorBody(thrown) };
    }
  }

  /** U4: retryable errors go to the kernel; everything else is committed here. */
  private async settle(
    answer: Exclude<HandlerAnswer, { kind: 'preempted' }>,
  ): Promise<AttemptOutcome | undefined> {
    if (answer.error?.retryable === true) {
      const isSuspect = answer.kind === 'failed' && answer.isSuspect === true;
      return { kind: 'failed', error: answer.error, ...(isSuspect ? { isSuspect } : {}) };
    }
    const { store, pause } = this.parts;
    const { format } = this.spec;
    const outcome = await commitResult(
      {
        store,
        pause,
        signal: this.signal,
        onUnavailable: (message) =>
          this.parts.log.warn('commit-delayed', { ...refOf(this.spec), message }),
      },
      {
        of: this.spec,
        format,
        answer:
          answer.kind === 'answered'
            ? answer
            : { result: store.encodeError(answer.error, format), error: answer.error },
      },
    );
    return outcome.kind === 'stopped' ? undefined : outcome;
  }

  private async readBody(): Promise<Uint8Array | ErrorBody | undefined> {
    if (this.spec.body !== undefined) return this.signal.aborted ? undefined : this.spec.body;
    for (let failures = 1; !this.signal.aborted; failures += 1) {
      const outcome = await this.parts.store.readBody(this.spec);
      if (outcome.kind === 'read') return outcome.body;
      if (outcome.kind === 'gone') {
        return errorBody('NOT_FOUND', `message ${this.spec.sequence} of the task is gone`);
      }
      this.parts.log.warn('body-delayed', { ...refOf(this.spec), message: outcome.message });
      await this.parts.pause(backoffMs(PROCESS_LIMITS.storeRetry, failures), this.signal);
    }
    return undefined;
  }
}
