/**
 * The chunks of one generation as an async iterator.
 *
 * Live chunks come as messages, which may be lost, doubled or late; what is missing is read from
 * the stored stream, and in the end from the committed result, which is the truth.
 */
import type { GenerateChunk, GenerateOutput, TaskId } from '@llmos/base';
import {
  backoffMs,
  ChunkAssembly,
  chunkAttempt,
  LlmosError,
  parseChunk,
  STREAMS,
  subjects,
} from '@llmos/base';
import { parseGenerateOutput } from './generate-output';
import type { ClientContext } from './client-context';
import { GAP_BACKOFF, SDK_LIMITS } from './limits';
import type { IncomingMessage } from './ports/message-link';
import type { ReplyStream } from './reply-iterator';
import { iterateReplies } from './reply-iterator';
import { ReplyQueue } from './reply-queue';
import { outputOf, waitForResult } from './result-wait';
import { cancelTask, publishCancel } from './task-cancel';

export interface ReplyStreamOptions {
  readonly task: TaskId;
  /** By the context's clock. */
  readonly untilMs: number;
  readonly signal: AbortSignal | undefined;
  /** A started stream owns its task, an attached one only reads. */
  readonly source: 'attached' | { readonly start: () => Promise<unknown> };
  /** Chunks that end before this token are left out; default 0. */
  readonly fromIndex?: number;
}

export function openReplyStream(context: ClientContext, options: ReplyStreamOptions): ReplyStream {
  const { task, source } = options;
  const reader = new GenerationReader(context, options);
  // In the background: whoever leaves the loop does not wait for the model to stop.
  const cancel = (): void => void cancelTask(context, task, {}).catch(() => undefined);
  return iterateReplies({
    id: task,
    queue: reader.queue,
    result: reader.read(),
    ...(source === 'attached' ? {} : { onLeave: cancel }),
  });
}

class GenerationReader {
  readonly queue: ReplyQueue;
  private readonly id: TaskId;
  private readonly assembly = new ChunkAssembly({
    maxChunks: SDK_LIMITS.maxEarlyChunks,
    maxBytes: SDK_LIMITS.maxEarlyChunkBytes,
  });
  private readonly cleanups: (() => void)[] = [];
  /** The highest attempt that was heard. */
  private attempt = 0;
  /** A reading of the stored stream is under way; `again` where another was asked for meanwhile. */
  private recovery: 'idle' | 'running' | 'again' = 'idle';
  private nextSequence = 1;

  constructor(
    private readonly context: ClientContext,
    private readonly options: ReplyStreamOptions,
  ) {
    this.id = options.task;
    this.queue = new ReplyQueue(context.createDoorbell);
  }

  /** Subscribes before the task is submitted, so that no chunk is missed. Called once. */
  read(): Promise<GenerateOutput> {
    const { link, tenant } = this.context;
    const subject = subjects.stream({ tenant, task: this.id });
    this.cleanups.push(
      link.subscribe(subject, (message) => this.takeLive(message)),
      link.onReconnect(() => this.recover()),
    );
    return this.run();
  }

  private async run(): Promise<GenerateOutput> {
    const { source, signal, untilMs } = this.options;
    try {
      if (source === 'attached') this.recover();
      else await source.start();
      const of = { tenant: this.context.tenant, task: this.id };
      const output = outputOf(await waitForResult(this.context, { of, untilMs, signal }));
      const read = parseGenerateOutput(output);
      if (read === undefined) throw notGenerated(this.id);
      this.complete(read);
      return read;
    } catch (error) {
      if (signal?.aborted === true && source !== 'attached') publishCancel(this.context, this.id);
      this.queue.end(error);
      throw error;
    } finally {
      for (const cleanup of this.cleanups) cleanup();
    }
  }

  private complete(output: GenerateOutput): void {
    if (this.queue.isOver) return;
    const completion = this.assembly.complete(output);
    if (completion.kind === 'diverged') {
      const { atCharacter } = completion;
      const message = `the text streamed for task ${this.id} differs from the committed one from character ${atCharacter} on`;
      this.queue.end(new LlmosError('DATA_LOSS', message, { details: { atCharacter } }));
      return;
    }
    if (completion.rest !== undefined) this.give(completion.rest);
    this.queue.end(undefined);
  }

  /** That of a host which was replaced is refused by the stream, but heard here all the same. */
  private takeLive(message: IncomingMessage): void {
    const attempt = chunkAttempt((name) => message.header(name));
    if (attempt < this.attempt) return;
    this.attempt = attempt;
    this.take(message.body);
  }

  private take(body: Uint8Array): void {
    const chunk = this.queue.isOver ? undefined : parseChunk(body);
    if (chunk === undefined) return;
    const ready = this.assembly.accept(chunk);
    for (const part of ready) this.give(part);
    if (this.assembly.hasGap) this.recover();
  }

  private give(chunk: GenerateChunk): void {
    const endIndex = chunk.index + chunk.tokens.length;
    const isBefore = endIndex <= (this.options.fromIndex ?? 0) && chunk.tokens.length > 0;
    if (!isBefore || chunk.finishReason !== undefined) this.queue.push(chunk);
  }

  private recover(): void {
    if (this.recovery !== 'idle') {
      this.recovery = 'again';
      return;
    }
    this.recovery = 'running';
    void this.readStored().catch((error: unknown) => this.queue.end(error));
  }

  /** Reads stored chunks until none is left and no gap is open, or the task has ended. */
  private async readStored(): Promise<void> {
    const stream = STREAMS.streams;
    const subject = subjects.stream({ tenant: this.context.tenant, task: this.id });
    const doorbell = this.context.createDoorbell();
    let fruitless = 0;
    for (let reads = 0; !this.queue.isOver && reads < SDK_LIMITS.maxRecoveredChunks; reads += 1) {
      const fromSequence = this.nextSequence;
      const outcome = await this.context.stored.readNext({ stream, subject, fromSequence });
      if (outcome.kind === 'found') {
        this.nextSequence = outcome.message.sequence + 1;
        fruitless = 0;
        this.take(outcome.message.body);
        continue;
      }
      const isComplete = outcome.kind === 'absent' && !this.assembly.hasGap;
      if (isComplete && this.recovery === 'running') break;
      this.recovery = 'running';
      fruitless += 1;
      await doorbell.wait(backoffMs(GAP_BACKOFF, fruitless), this.context.link.closed);
    }
    this.recovery = 'idle';
  }
}

export function notGenerated(task: TaskId): LlmosError {
  const message = `task ${task} is no generation: its output has no text, tokens and finishReason`;
  return new LlmosError('FAILED_PRECONDITION', message);
}
