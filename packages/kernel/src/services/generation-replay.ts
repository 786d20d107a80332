/**
 * Replays one generation to a client that attached: what is stored, what comes, then the result.
 *
 * Only what is stored is sent, in its order, each token once; a message on the stream's subject is
 * a wake-up, since that of a host that was replaced is seen there too. Invariants: R3 an end is
 * the last message; R4 the result comes only after every chunk stored before it.
 */
import type { Clock, ErrorBody, GenerateChunk, Logger, TenantTask } from '@llmos/base';
import {
  ChunkAssembly,
  backoffMs,
  chunkBytes,
  encodeChunk,
  encodeJson,
  failure,
  mergeChunks,
  parseGeneratedText,
  parseResult,
} from '@llmos/base';
import { EDGE_LIMITS, READER_RETRY } from '../edge-limits';
import type { KernelCounters } from '../ports/kernel-counters';
import type { StoredResult } from '../ports/result-store';
import type { ReaderFeed, StreamLink } from '../ports/stream-link';

export interface GenerationReplayOptions {
  readonly of: TenantTask;
  readonly client: string;
  /** Chunks that end before this token are left out. */
  readonly fromIndex: number;
  readonly streams: StreamLink;
  readonly clock: Clock;
  readonly counters: KernelCounters;
  readonly log: Logger;
  /** Called once. */
  readonly onEnd: () => void;
}

const NOTHING = new Uint8Array(0);
const MERGE = { maxTokens: Number.MAX_SAFE_INTEGER, maxBytes: EDGE_LIMITS.maxReaderBytes };

export class GenerationReplay {
  /** Chunks are read in order, so none waits for an earlier one. */
  private readonly assembly = new ChunkAssembly({ maxChunks: 0, maxBytes: 0 });
  private readonly feed: ReaderFeed;
  private unwatch: () => void = () => undefined;
  private nextSequence = 1;
  private result: StoredResult | undefined;
  private sentAtMs: number;
  private isOver = false;
  private isWoken = false;
  /** Whether the wait under way ends when something comes. */
  private isWakeable = false;
  private endWait: () => void = () => undefined;

  constructor(private readonly options: GenerationReplayOptions) {
    const { of, client, streams, clock } = options;
    this.sentAtMs = clock.nowMs();
    this.feed = streams.openFeed({ tenant: of.tenant, client }, () => this.end());
  }

  /** Call once. */
  start(): void {
    const { of, streams, log } = this.options;
    if (this.isOver) return;
    this.unwatch = streams.watch(of, () => this.wake());
    this.run().catch((error: unknown) => {
      log.error('reader-failed', { ...of, error });
      this.end();
    });
  }

  /** It comes after what is stored. */
  setResult(result: StoredResult): void {
    this.result ??= result;
    this.wake();
  }

  /** Tells the client that nothing more comes from this kernel, and ends. */
  detach(error: ErrorBody): void {
    if (this.isOver) return;
    this.send('detached', encodeJson(failure(error)), { end: 'detached' });
    this.end();
  }

  /** Ends without a word. May be called twice. */
  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.unwatch();
    this.feed.close();
    this.endWait();
    this.options.onEnd();
  }

  private async run(): Promise<void> {
    for (let failures = 0; !this.isOver;) {
      this.isWoken = false;
      // Known before the reading, so that the reading finds all that was stored before it.
      const { result } = this;
      const reading = await this.readStored();
      if (this.isOver) return;
      failures = reading === 'failed' ? failures + 1 : 0;
      if (reading === 'all' && result !== undefined) return this.finish(result);
      const quietMs = this.options.clock.nowMs() - this.sentAtMs;
      if (quietMs >= EDGE_LIMITS.readerKeepAliveMs) this.send('alive', NOTHING);
      if (failures > 0) await this.wait(backoffMs(READER_RETRY, failures));
      else await this.wait(EDGE_LIMITS.readerPaceMs);
      if (reading === 'all' && !this.isWoken) await this.wait(EDGE_LIMITS.readerLookMs, 'wakeable');
    }
  }

  /** `more`: a message was filled before the end was reached. */
  private async readStored(): Promise<'all' | 'more' | 'failed'> {
    const { of, streams, log } = this.options;
    const parts: GenerateChunk[] = [];
    let reading: 'all' | 'more' | 'failed' = 'more';
    for (let bytes = 0; bytes < EDGE_LIMITS.maxReaderBytes && !this.isOver;) {
      try {
        const stored = await streams.readChunk(of, this.nextSequence);
        if (stored === undefined) {
          reading = 'all';
          break;
        }
        this.nextSequence = stored.sequence + 1;
        const ready = stored.chunk === undefined ? [] : this.assembly.accept(stored.chunk);
        for (const part of ready) {
          parts.push(part);
          bytes += chunkBytes(part);
        }
      } catch (error) {
        log.debug('reader-delayed', { ...of, error });
        reading = 'failed';
        break;
      }
    }
    this.sendChunks(parts.filter((part) => this.isWanted(part)));
    return reading;
  }

  /** What the stream does not have any more is in the result. */
  private finish(result: StoredResult): void {
    const answer = result.format === 'json' ? parseResult(result.body) : undefined;
    const generated = answer?.ok === true ? parseGeneratedText(answer.output) : undefined;
    const completion = generated === undefined ? undefined : this.assembly.complete(generated);
    if (completion?.kind === 'diverged') {
      this.options.log.error('stream-diverged', { ...this.options.of, ...completion });
    } else if (completion?.rest !== undefined && this.isWanted(completion.rest)) {
      this.sendChunks([completion.rest]);
    }
    this.send('result', result.body, { end: 'result', format: result.format });
    this.end();
  }

  private isWanted(chunk: GenerateChunk): boolean {
    return chunk.tokens.length === 0 || chunk.index + chunk.tokens.length > this.options.fromIndex;
  }

  private sendChunks(chunks: readonly GenerateChunk[]): void {
    for (let rest = chunks; ;) {
      const merged = mergeChunks(rest, MERGE);
      if (merged === undefined) return;
      this.send('chunk', encodeChunk(merged.chunk));
      rest = rest.slice(merged.count);
    }
  }

  private send(
    kind: 'chunk' | 'alive' | 'result' | 'detached',
    body: Uint8Array,
    more: { readonly end?: 'result' | 'detached'; readonly format?: StoredResult['format'] } = {},
  ): void {
    if (this.isOver) return;
    this.sentAtMs = this.options.clock.nowMs();
    this.options.counters.add('reader_messages', kind);
    this.feed.send({ task: this.options.of.task, body, ...more });
  }

  private wake(): void {
    this.isWoken = true;
    if (this.isWakeable) this.endWait();
  }

  private async wait(waitMs: number, how?: 'wakeable'): Promise<void> {
    if (this.isOver) return;
    this.isWakeable = how === 'wakeable';
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.endWait = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.isWakeable = false;
    this.endWait = () => undefined;
  }
}
