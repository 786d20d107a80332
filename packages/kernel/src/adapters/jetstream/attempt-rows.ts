/** The bucket `llmos_attempts`: how often a task was tried, and why it failed, for the next leader. */
import type { TaskId, TenantId } from '@llmos/base';
import { BUCKETS, decodeJson, encodeJson, isErrorCode, isRecord } from '@llmos/base';
import { readLast } from '@llmos/wire';
import type { JetStreamClient, JetStreamManager, NatsConnection } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import { CORE_LIMITS } from '../../limits';
import type { LookedUp } from '../../ports/task-stream';
import type { AttemptFailure, AttemptRecord } from '../../tasks/task-spec';

export const ATTEMPTS_STREAM = `KV_${BUCKETS.attempts}`;
const STREAM = ATTEMPTS_STREAM;
const NO_RECORD: AttemptRecord = { attempt: 0, uncounted: 0, isApart: false, failures: [] };

export class AttemptRows {
  private readonly jetstream: JetStreamClient;

  constructor(
    private readonly options: {
      readonly connection: NatsConnection;
      readonly manager: JetStreamManager;
    },
  ) {
    this.jetstream = options.connection.jetstream({ timeout: EDGE_LIMITS.requestTimeoutMs });
  }

  async read(tenant: TenantId, task: TaskId): Promise<AttemptRecord | undefined> {
    const stored = await readLast(this.options.manager, STREAM, subjectOf(tenant, task));
    return stored === undefined ? undefined : readRow(stored.data);
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

/** Undefined where the bytes are no row. */
export function readRow(bytes: Uint8Array): AttemptRecord | undefined {
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
    return isReadable && isErrorCode(code) ? [{ attempt, code, message }] : [];
  });
}

function subjectOf(tenant: TenantId, task: TaskId): string {
  return `$KV.${BUCKETS.attempts}.${tenant}.${task}`;
}
