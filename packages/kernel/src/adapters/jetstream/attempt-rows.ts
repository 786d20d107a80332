/** The bucket `llmos_attempts`: how often a task was tried, for the next leader. */
import type { TaskId, TenantId } from '@llmos/base';
import { BUCKETS, decodeJson, encodeJson, isRecord } from '@llmos/base';
import type { JetStreamClient, JetStreamManager, NatsConnection } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import { readLast } from './leader-reads';

export interface AttemptRow {
  readonly attempt: number;
  readonly isApart: boolean;
}

const STREAM = `KV_${BUCKETS.attempts}`;

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

  async read(tenant: TenantId, task: TaskId): Promise<AttemptRow | undefined> {
    const stored = await readLast(this.options.manager, STREAM, subjectOf(tenant, task));
    if (stored === undefined || stored.data.length === 0) return undefined;
    try {
      const value = decodeJson(stored.data);
      if (!isRecord(value)) return undefined;
      const attempt = Number(value['attempt']);
      if (!Number.isSafeInteger(attempt) || attempt < 1) return undefined;
      return { attempt, isApart: value['isApart'] === true };
    } catch {
      return undefined;
    }
  }

  async write(tenant: TenantId, task: TaskId, row: AttemptRow): Promise<void> {
    await this.jetstream.publish(subjectOf(tenant, task), encodeJson(row));
  }

  /** Purges the row without a marker: what is forgotten leaves nothing behind. Best effort. */
  forget(tenant: TenantId, task: TaskId): void {
    const request = { filter: subjectOf(tenant, task) };
    this.options.connection.publish(`$JS.API.STREAM.PURGE.${STREAM}`, encodeJson(request));
  }
}

function subjectOf(tenant: TenantId, task: TaskId): string {
  return `$KV.${BUCKETS.attempts}.${tenant}.${task}`;
}
