/**
 * What a new leader must know of the tasks that waited before it: which of them have a result, and
 * which were tried before. With hundreds of thousands a request each takes minutes and holds up
 * everybody; so the results and the attempts are read once, and a task is asked for by itself
 * only where something of it is there. Interactive tasks don't wait for that.
 */
import type { Logger, TenantTask } from '@llmos/base';
import { BUCKETS, ownText } from '@llmos/base';
import { describeApiError } from '@llmos/wire';
import type { JetStreamManager, NatsConnection } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { AttemptRecord, TaskSpec } from '../../tasks/task-spec';
import { ATTEMPTS_STREAM, RowReader } from './attempt-rows';
import type { ResultReads } from './result-reads';
import { RESULT_STREAMS } from './result-reads';
import { walkStream } from './stream-walk';
import { TextFilter } from './text-filter';

export interface BacklogReadsOptions {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly log: Logger;
  readonly reads: ResultReads;
  /** Tasks that wait in their stream. */
  readonly waiting: number;
}

/** What is known of a task without asking; `unknown`: it must be asked. */
export interface KnownOfTask {
  readonly isCommitted: false | 'unknown';
  readonly row: AttemptRecord | 'unknown' | undefined;
}

const UNKNOWN: KnownOfTask = { isCommitted: 'unknown', row: 'unknown' };

export class BacklogReads {
  private isEnded = false;
  private isRead = false;
  private rows: Map<string, AttemptRecord> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private reading: Promise<void> = Promise.resolve();

  constructor(private readonly options: BacklogReadsOptions) {}

  begin(): void {
    this.reading = this.read();
    // Later, too much would have to be remembered for the few old tasks that still come.
    this.timer = setTimeout(() => this.forget(), EDGE_LIMITS.backlogKnownMs);
  }

  end(): void {
    this.isEnded = true;
    clearTimeout(this.timer);
    this.forget();
  }

  /** While it is, tasks that are not urgent had better not be taken in. */
  get isReading(): boolean {
    return !this.isRead;
  }

  async of(spec: TaskSpec): Promise<KnownOfTask> {
    if (!this.isRead) {
      if (spec.class === 'interactive') return UNKNOWN;
      await this.reading;
    }
    const name = nameOf({ tenant: spec.tenant, task: spec.id });
    const mayBeStored = this.options.reads.stored?.mayHave(name) ?? true;
    return {
      isCommitted: mayBeStored ? 'unknown' : false,
      row: this.rows === undefined ? 'unknown' : this.rows.get(name),
    };
  }

  private forget(): void {
    this.rows = undefined;
    this.options.reads.stored = undefined;
  }

  /** Never rejects: what can't be read once is asked for one by one. */
  private async read(): Promise<void> {
    const { log, waiting } = this.options;
    const startedMs = performance.now();
    try {
      await Promise.all([this.readResults(), this.readRows()]);
    } catch (error) {
      if (!this.isEnded) log.warn('backlog-read-failed', { reason: describeApiError(error) });
    }
    this.isRead = true;
    if (this.isEnded) return;
    const { size: results } = this.options.reads.stored ?? { size: 'unknown' };
    const attempts = this.rows?.size ?? 'unknown';
    const elapsedMs = Math.round(performance.now() - startedMs);
    log.info('backlog-read', { waiting, results, attempts, elapsedMs });
  }

  private async readResults(): Promise<void> {
    const { manager, reads, waiting } = this.options;
    let stored = 0;
    for (const stream of RESULT_STREAMS) {
      stored += (await manager.streams.info(stream)).state.messages;
    }
    // Few tasks and many results: asking for the few is less work.
    const isWorth = stored <= waiting * EDGE_LIMITS.walkShare;
    if (this.isEnded || stored > EDGE_LIMITS.maxWalked || !isWorth) return;
    const filter = new TextFilter();
    // What is committed from now on is added by the watch of results.
    reads.stored = filter;
    const walks = RESULT_STREAMS.map((stream) =>
      this.walk(stream, true, (subject) => filter.add(nameOfSubject(subject))),
    );
    const isComplete = (await Promise.all(walks)).every((each) => each);
    if (!isComplete && reads.stored === filter) reads.stored = undefined;
  }

  private async readRows(): Promise<void> {
    const { manager, log } = this.options;
    const { state } = await manager.streams.info(ATTEMPTS_STREAM);
    const { maxWalkedRows, maxWalkedRowBytes } = EDGE_LIMITS;
    const isTooMuch = state.messages > maxWalkedRows || state.bytes > maxWalkedRowBytes;
    if (this.isEnded || isTooMuch) return;
    const reader = new RowReader(log);
    const rows = new Map<string, AttemptRecord>();
    const prefix = `$KV.${BUCKETS.attempts}.`.length;
    const isComplete = await this.walk(ATTEMPTS_STREAM, false, (subject, data) => {
      const row = reader.read(subject, data);
      const name = ownText(subject.slice(prefix));
      if (row === undefined) rows.delete(name);
      else rows.set(name, row);
    });
    if (isComplete && !this.isEnded) this.rows = rows;
  }

  private walk(
    stream: string,
    isHeadersOnly: boolean,
    onMessage: (subject: string, data: Uint8Array) => void,
  ): Promise<boolean> {
    return walkStream({
      ...this.options,
      stream,
      isHeadersOnly,
      isEnded: () => this.isEnded,
      onMessage: (msg) => onMessage(msg.subject, msg.data),
    });
  }
}

function nameOf({ tenant, task }: TenantTask): string {
  return `${tenant}.${task}`;
}

/** `llmos.v1.<kind>.<tenant>.<task>`: a task has one name, whichever stream has its result. */
export function nameOfSubject(subject: string): string {
  let at = -1;
  for (let dots = 0; dots < 3; dots += 1) at = subject.indexOf('.', at + 1);
  return subject.slice(at + 1);
}
