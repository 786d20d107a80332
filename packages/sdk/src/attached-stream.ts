/**
 * The chunks of a generation as the leading kernel replays them (system call `attach`), for clients
 * that may not use JetStream's API. Messages may be lost: whatever is missing, or silent for too
 * long, is asked for again from the first token that did not come.
 */
import type { GenerateChunk, GenerateOutput, Result, TaskId } from '@llmos/base';
import { HEADERS, LlmosError, parseChunk, subjects } from '@llmos/base';
import type { ClientContext } from './client-context';
import { assertNotAborted } from './client-context';
import { parseGenerateOutput } from './generate-output';
import { SDK_LIMITS } from './limits';
import type { Doorbell } from './ports/doorbell';
import type { IncomingMessage } from './ports/message-link';
import type { ReplyStream } from './reply-iterator';
import { iterateReplies } from './reply-iterator';
import { ReplyQueue } from './reply-queue';
import type { ReplyStreamOptions } from './reply-stream';
import { notGenerated } from './reply-stream';
import { outputOf, toResult } from './result-wait';
import { systemCall } from './system-requests';

export type AttachedStreamOptions = Omit<ReplyStreamOptions, 'source'>;

export function openAttachedStream(
  context: ClientContext,
  options: AttachedStreamOptions,
): ReplyStream {
  const reader = new AttachedReader(context, options);
  return iterateReplies({ id: options.task, queue: reader.queue, result: reader.read() });
}

class AttachedReader {
  readonly queue: ReplyQueue;
  private readonly id: TaskId;
  private readonly doorbell: Doorbell;
  /** A name of its own, so that nobody else's chunks come. */
  private readonly client: string;
  private nextIndex: number | undefined;
  private committed: Result | undefined;
  private mustAttach = true;
  /** Results that came before all of their tokens. */
  private earlyResults = 0;
  private heardAtMs: number;

  constructor(
    private readonly context: ClientContext,
    private readonly options: AttachedStreamOptions,
  ) {
    this.id = options.task;
    this.client = context.newTaskId();
    this.queue = new ReplyQueue(context.createDoorbell);
    this.doorbell = context.createDoorbell();
    this.heardAtMs = context.clock.nowMs();
  }

  /** The result still comes where nobody takes the chunks. Called once. */
  async read(): Promise<GenerateOutput> {
    const { link, tenant } = this.context;
    const subject = subjects.deliver({ tenant, client: this.client });
    const cleanups = [
      link.subscribe(subject, (message) => this.take(message)),
      link.onReconnect(() => this.attachSoon()),
    ];
    try {
      const read = parseGenerateOutput(outputOf(await this.follow()));
      if (read === undefined) throw notGenerated(this.id);
      this.queue.end(undefined);
      return read;
    } catch (error) {
      this.queue.end(error);
      throw error;
    } finally {
      for (const cleanup of cleanups) cleanup();
    }
  }

  private async follow(): Promise<Result> {
    const { clock, link } = this.context;
    const { signal, untilMs } = this.options;
    const what = `reading task ${this.id}`;
    const limitMs = Math.ceil(untilMs - clock.nowMs());
    for (;;) {
      assertNotAborted(this.context, what, signal);
      if (this.committed !== undefined && !this.hasGap(this.committed)) return this.committed;
      if (this.earlyResults > SDK_LIMITS.maxEarlyEnds) {
        const message = `task ${this.id} has ended, and some of its tokens can't be read`;
        throw new LlmosError('DATA_LOSS', message);
      }
      const leftMs = untilMs - clock.nowMs();
      if (leftMs <= 0)
        throw new LlmosError('DEADLINE_EXCEEDED', `${what} took longer than ${limitMs} ms`);
      const silentMs = clock.nowMs() - this.heardAtMs;
      if (this.mustAttach || silentMs >= SDK_LIMITS.attachSilenceMs) await this.attach(leftMs);
      await this.doorbell.wait(Math.min(SDK_LIMITS.attachSilenceMs, leftMs), signal, link.closed);
    }
  }

  private async attach(leftMs: number): Promise<void> {
    const { signal, fromIndex = 0, task } = this.options;
    this.mustAttach = false;
    this.committed = undefined;
    const request = { task, client: this.client, fromIndex: this.nextIndex ?? fromIndex };
    const wait = { timeoutMs: Math.max(1, Math.floor(leftMs)), ...(signal && { signal }) };
    // Streams belong to the tenant, in whosever name other system calls are made.
    const own = { ...this.context, principal: this.context.tenant };
    await systemCall(own, 'attach', request, wait);
    this.heardAtMs = this.context.clock.nowMs();
  }

  private attachSoon(): void {
    this.mustAttach = true;
    this.doorbell.ring();
  }

  private take(message: IncomingMessage): void {
    const { body } = message;
    if (message.header(HEADERS.task) !== this.id) return;
    this.heardAtMs = this.context.clock.nowMs();
    const end = message.header(HEADERS.end);
    if (end === 'detached') return this.attachSoon();
    if (end === 'result') {
      this.committed = toResult({ contentType: message.header(HEADERS.contentType), body });
      if (this.hasGap(this.committed)) {
        this.earlyResults += 1;
        this.mustAttach = true;
      }
      this.doorbell.ring();
      return;
    }
    const chunk = body.byteLength === 0 ? undefined : parseChunk(body);
    if (chunk !== undefined) this.takeChunk(chunk);
  }

  /** The kernel sends whole chunks as they are stored, so they begin where the last one ended. */
  private takeChunk(chunk: GenerateChunk): void {
    const { fromIndex = 0 } = this.options;
    const isFirst = this.nextIndex === undefined && chunk.index <= fromIndex;
    if (isFirst || chunk.index === this.nextIndex) {
      this.nextIndex = chunk.index + chunk.tokens.length;
      this.queue.push(chunk);
    } else if (chunk.index > (this.nextIndex ?? fromIndex)) {
      this.attachSoon();
    }
  }

  /** Whether chunks before the result were lost. */
  private hasGap(result: Result): boolean {
    const read = result.ok ? parseGenerateOutput(result.output) : undefined;
    return (
      read !== undefined && read.tokens.length > (this.nextIndex ?? this.options.fromIndex ?? 0)
    );
  }
}
