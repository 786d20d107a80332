/** The bucket `llmos_attempts`: how often a task was tried, and why it failed, for the next leader. */
import type { Logger, TaskId, TenantId } from '@llmos/base';
import { BUCKETS, decodeJson, encodeJson, isErrorCode, isRecord } from '@llmos/base';
import { readLast } from '@llmos/wire';
import type { JetStreamClient, JetStreamManager, NatsConnection } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { CORE_LIMITS } from '../../limits';
import type { LookedUp } from '../../ports/task-stream';
import { shorten } from '../../tasks/task-outcomes';
import type { AttemptFailure, AttemptRecord } from '../../tasks/task-spec';

export const ATTEMPTS_STREAM = `KV_${BUCKETS.attempts}`;
const STREAM = ATTEMPTS_STREAM;
const NO_RECORD: AttemptRecord = { attempt: 0, uncounted: 0, isApart: false, failures: [] };

export class AttemptRows {
  private readonly jetstream: JetStreamClient;
  private readonly reader: RowReader;

  constructor(
    private readonly options: {
      readonly connection: NatsConnection;
      readonly manager: JetStreamManager;
      readonly log: Logger;
    },
  ) {
    this.reader = new RowReader(options.log);
    this.jetstream = options.connection.jetstream({ timeout: EDGE_LIMITS.requestTimeoutMs });
  }

  async read(tenant: TenantId, task: TaskId): Promise<AttemptRecord | undefined> {
    const subject = subjectOf(tenant, task);
    const stored = await readLast(this.options.manager, STREAM, subject);
    return stored === undefined ? undefined : this.reader.read(subject, stored.data);
  }

  async write(tenant: TenantId, task: TaskId, row: AttemptRecord): Promise<void> {
    await this.jetstream.publish(subjectOf(tenant, task), encodeJson(row));
  }

  /** Purges the row without a marker: what is forgotten leaves nothing behind. Best effort. */
  forget(tenant: TenantId, task: TaskId): void {
    const request = { filter: subjectOf(tenant, task) };
    this.options.connection.publish(`$JS.API.STREAM.PURGE.${STREAM}`, encodeJson(request));
  }
}

/** What is known of the attempts of a task that has no result. */
export function untried(row: AttemptRecord | undefined): LookedUp {
  const { attempt: attempts, uncounted, isApart, failures } = row ?? NO_RECORD;
  return { isCommitted: false, attempts, uncounted, isApart, failures };
}

/** Reads rows, which anybody may have written. */
export class RowReader {
  private hasRefused = false;

  constructor(private readonly log: Logger) {}

  /** Undefined where the bytes are no row, or more than a row has. */
  read(subject: string, row: Uint8Array): AttemptRecord | undefined {
    const limitBytes = EDGE_LIMITS.maxAttemptRowBytes;
    if (row.length <= limitBytes) return readRow(row);
    const fields = { subject: subject.slice(0, 256), bytes: row.length, limitBytes };
    // Once: who writes one may write a hundred thousand.
    if (!this.hasRefused) this.log.warn('attempt-row-refused', fields);
    this.hasRefused = true;
    return undefined;
  }
}

function readRow(bytes: Uint8Array): AttemptRecord | undefined {
  if (bytes.length === 0) return undefined;
  try {
    const value = decodeJson(bytes);
    if (!isRecord(value)) return undefined;
    const attempt = Number(value['attempt']);
    if (!Number.isSafeInteger(attempt) || attempt < 1) return undefined;
    const failures = readFailures(value['failures']);
    const uncounted = readUncounted(value['uncounted'], attempt);
    return { attempt, uncounted, isApart: value['isApart'] === true, failures };
  } catch {
    return undefined;
  }
}

/** Rows of an earlier version have none. At least one attempt counts: the one that comes next. */
function readUncounted(value: unknown, attempt: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) return 0;
  return Math.max(0, Math.min(value, attempt - 1));
}

/** Rows of an earlier version have none; what can't be read is left out. */
function readFailures(value: unknown): AttemptFailure[] {
  if (!Array.isArray(value)) return [];
  return value.slice(-CORE_LIMITS.maxFailures).flatMap((entry: unknown) => {
    if (!isRecord(entry)) return [];
    const { attempt, code, message } = entry;
    const isReadable = typeof attempt === 'number' && typeof message === 'string';
    return isReadable && isErrorCode(code)
      ? [{ attempt, code, message: shorten(message, CORE_LIMITS.maxFailureChars) }]
      : [];
  });
}

function subjectOf(tenant: TenantId, task: TaskId): string {
  return `$KV.${BUCKETS.attempts}.${tenant}.${task}`;
}
