/**
 * The streams, buckets and object stores of the system: created or updated by kernels only.
 *
 * Streams list exact subject shapes, never `>`, so that a wrong shape is refused at publish.
 * An existing stream keeps its byte budget and replicas if they are larger; one whose kind differs
 * is an error that names it, never a silent change.
 */
import type { Logger } from '@llmos/base';
import { BUCKETS, LlmosError, PACKAGE_STORE, STREAMS, WIRE_LIMITS, patterns } from '@llmos/base';
import { DiscardPolicy, RetentionPolicy, StorageType, nanos } from 'nats';
import type { JetStreamManager, NatsConnection, StreamConfig } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import { describeApiError, isApiError } from './api-errors';

export interface StreamOptions {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly log: Logger;
  /** Shared out among the streams; they are not filled in advance. */
  readonly storageBytes: number;
  readonly resultMaxAgeMs: number;
}

type Wanted = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects' | 'retention'>;

/** Share of the storage budget. */
const SHARES = { tasks: 0.3, results: 0.4, streams: 0.15, dead: 0.1, events: 0.05 } as const;

function common(name: string, subjects: readonly string[], maxBytes: number) {
  return {
    name,
    subjects: [...subjects],
    storage: StorageType.File,
    max_bytes: Math.floor(maxBytes),
    duplicate_window: nanos(EDGE_LIMITS.duplicateWindowMs),
    allow_direct: true,
  };
}

export function wantedStreams(options: {
  readonly storageBytes: number;
  readonly resultMaxAgeMs: number;
}): readonly Wanted[] {
  const { storageBytes, resultMaxAgeMs } = options;
  return [
    {
      ...common(STREAMS.tasks, patterns.tasks, storageBytes * SHARES.tasks),
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
    },
    {
      ...common(STREAMS.results, [patterns.results], storageBytes * SHARES.results),
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      // Even a writer that forgets the expected sequence can't replace a result.
      max_msgs_per_subject: 1,
      discard_new_per_subject: true,
      max_age: nanos(resultMaxAgeMs),
    },
    {
      ...common(STREAMS.streams, [patterns.streams], storageBytes * SHARES.streams),
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      max_age: nanos(WIRE_LIMITS.streamMaxAgeMs),
    },
    {
      ...common(STREAMS.dead, [patterns.dead], storageBytes * SHARES.dead),
      retention: RetentionPolicy.Limits,
      // A full one must not keep tasks from ending.
      discard: DiscardPolicy.Old,
      duplicate_window: nanos(EDGE_LIMITS.deadDuplicateWindowMs),
    },
    {
      ...common(STREAMS.events, [patterns.events], storageBytes * SHARES.events),
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      max_age: nanos(WIRE_LIMITS.eventMaxAgeMs),
    },
  ];
}

/** Idempotent; any number of kernels may do it at once. */
export async function prepareStreams(options: StreamOptions): Promise<void> {
  const replicas = replicasOf(options.connection);
  for (const wanted of wantedStreams(options)) {
    await prepareStream(options, { ...wanted, num_replicas: replicas });
  }
  const jetstream = options.connection.jetstream({ timeout: EDGE_LIMITS.requestTimeoutMs });
  const ttl = options.resultMaxAgeMs;
  for (const bucket of Object.values(BUCKETS)) {
    const settings = bucket === BUCKETS.attempts ? { history: 1, ttl } : { history: 1 };
    await withFewerReplicas(replicas, (count) =>
      jetstream.views.kv(bucket, { ...settings, replicas: count }),
    );
  }
  await preparePackageStore(options.manager, replicas);
  const stores = [...Object.values(BUCKETS).map((name) => `KV_${name}`), `OBJ_${PACKAGE_STORE}`];
  for (const name of stores) {
    await alignStore(options, name, name === ATTEMPTS ? nanos(ttl) : 0);
    await raiseReplicas(options, name, replicas);
  }
}

const ATTEMPTS = `KV_${BUCKETS.attempts}`;

/** A bucket of someone else's making must not forget what was written, nor lose it to a restart. */
async function alignStore(options: StreamOptions, name: string, maxAge: number): Promise<void> {
  const existing = await findStream(options.manager, name);
  if (existing === undefined) return;
  const { subjects } = existing;
  assertSameKind(existing, {
    name,
    subjects,
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
  });
  if (existing.max_age === maxAge) return;
  options.log.info('stream-updated', { stream: name });
  await options.manager.streams.update(name, { ...existing, max_age: maxAge });
}

/** A bucket that was made while fewer servers were up; it works as it is until it can be raised. */
async function raiseReplicas(options: StreamOptions, name: string, replicas: number) {
  const existing = await findStream(options.manager, name);
  if (existing === undefined || existing.num_replicas >= replicas) return;
  try {
    await options.manager.streams.update(name, { ...existing, num_replicas: replicas });
    options.log.info('stream-updated', { stream: name, replicas });
  } catch (error) {
    options.log.warn('replicas-not-raised', { stream: name, reason: describeApiError(error) });
  }
}

/** Made here, not by the client: its own request has a field that newer servers refuse. */
async function preparePackageStore(manager: JetStreamManager, replicas: number): Promise<void> {
  const name = `OBJ_${PACKAGE_STORE}`;
  if ((await findStream(manager, name)) !== undefined) return;
  try {
    await withFewerReplicas(replicas, (count) =>
      manager.streams.add({
        name,
        subjects: [`$O.${PACKAGE_STORE}.C.>`, `$O.${PACKAGE_STORE}.M.>`],
        retention: RetentionPolicy.Limits,
        storage: StorageType.File,
        discard: DiscardPolicy.New,
        allow_direct: true,
        allow_rollup_hdrs: true,
        num_replicas: count,
      }),
    );
  } catch (error) {
    if (!isApiError(error, 'streamNameInUse')) throw error;
  }
}

/** min(3, servers): every server of a cluster is named in what the server tells its clients. */
function replicasOf(connection: NatsConnection): number {
  const info = connection.info;
  if (info?.cluster === undefined) return 1;
  return Math.min(EDGE_LIMITS.maxReplicas, Math.max(1, info.connect_urls?.length ?? 1));
}

/** A server of the cluster may run without JetStream, or be away. */
async function withFewerReplicas<T>(
  replicas: number,
  create: (count: number) => Promise<T>,
): Promise<T> {
  for (let count = replicas; ; count -= 1) {
    try {
      return await create(count);
    } catch (error) {
      if (count <= 1 || !isShortOfPeers(error)) throw error;
    }
  }
}

function isShortOfPeers(error: unknown): boolean {
  return isApiError(error, 'replicasNotSupported', 'insufficientResources', 'noSuitablePeers');
}

async function prepareStream(options: StreamOptions, wanted: Wanted): Promise<void> {
  const existing = await findStream(options.manager, wanted.name);
  if (existing === undefined) return createStream(options, wanted);
  assertSameKind(existing, wanted);
  const update = changesOf(existing, wanted);
  if (update !== undefined) {
    options.log.info('stream-updated', { stream: wanted.name });
    await options.manager.streams.update(wanted.name, update);
  }
  await raiseReplicas(options, wanted.name, wanted.num_replicas ?? 1);
}

async function findStream(
  manager: JetStreamManager,
  name: string,
): Promise<StreamConfig | undefined> {
  try {
    return (await manager.streams.info(name)).config;
  } catch (error) {
    if (isApiError(error, 'streamNotFound')) return undefined;
    throw error;
  }
}

async function createStream(options: StreamOptions, wanted: Wanted): Promise<void> {
  const { manager, log } = options;
  let maxBytes = wanted.max_bytes ?? EDGE_LIMITS.leastStreamBytes;
  for (;;) {
    try {
      const settings = { ...wanted, max_bytes: maxBytes };
      await withFewerReplicas(wanted.num_replicas ?? 1, (count) =>
        manager.streams.add({ ...settings, num_replicas: count }),
      );
      return;
    } catch (error) {
      // Another kernel was first, with other budgets: its stream is as good.
      if (isApiError(error, 'streamNameInUse')) return prepareStream(options, wanted);
      const isShort = isApiError(error, 'insufficientStorage');
      if (!isShort || maxBytes <= EDGE_LIMITS.leastStreamBytes) throw streamError(wanted, error);
      maxBytes = Math.max(EDGE_LIMITS.leastStreamBytes, Math.floor(maxBytes / 2));
      log.warn('stream-budget-halved', { stream: wanted.name, maxBytes });
    }
  }
}

function streamError(wanted: Wanted, cause: unknown): LlmosError {
  const reason = describeApiError(cause);
  const hint = isApiError(cause, 'subjectsOverlap')
    ? `: another stream listens to one of ${wanted.subjects.join(', ')}`
    : '';
  const message = `stream ${wanted.name} can't be created: ${reason}${hint}`;
  return new LlmosError('FAILED_PRECONDITION', message, { cause });
}

/** What JetStream can't change later, and what the protocol depends on. */
function assertSameKind(existing: StreamConfig, wanted: Wanted): void {
  for (const field of ['retention', 'storage'] as const) {
    if (existing[field] === wanted[field]) continue;
    throw new LlmosError(
      'FAILED_PRECONDITION',
      `stream ${wanted.name} exists with ${field} ${existing[field]}, ` +
        `but must have ${String(wanted[field])}: remove it, or use another server`,
    );
  }
}

function changesOf(existing: StreamConfig, wanted: Wanted): Partial<StreamConfig> | undefined {
  const isSame = (field: keyof StreamConfig): boolean =>
    JSON.stringify(existing[field] ?? null) === JSON.stringify(wanted[field] ?? null);
  const fields = ['discard', 'duplicate_window', 'allow_direct'] as const;
  const limits = ['max_age', 'max_msgs_per_subject', 'discard_new_per_subject'] as const;
  const isSameShape = [...existing.subjects].sort().join() === [...wanted.subjects].sort().join();
  const changed = [
    ...fields.filter((field) => !isSame(field)),
    ...limits.filter((field) => wanted[field] !== undefined && !isSame(field)),
  ];
  if (changed.length === 0 && isSameShape) return undefined;
  const update: Record<string, unknown> = { subjects: wanted.subjects };
  for (const field of changed) update[field] = wanted[field];
  return update;
}
