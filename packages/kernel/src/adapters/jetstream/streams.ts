/**
 * The streams, buckets and object stores of the system: what each must be. Kernels alone make them
 * (prepare-stores.ts).
 *
 * Streams list exact subject shapes, never `>`, so that a wrong shape is refused at publish.
 */
import { BUCKETS, PACKAGE_STORE, STREAMS, WIRE_LIMITS, patterns } from '@llmos/base';
import { DiscardPolicy, RetentionPolicy, StorageType, nanos } from '@llmos/wire';
import type { StreamConfig } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';

export interface StoreOptions {
  /** Shared out among the streams; they are not filled in advance. */
  readonly storageBytes: number;
  readonly resultMaxAgeMs: number;
}

export interface WantedStore {
  readonly config: Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects' | 'retention'>;
  /** What an existing one is given where it differs; the rest stays as someone made it. */
  readonly aligned: readonly (keyof StreamConfig)[];
}

/** Share of the storage budget. */
const SHARES = {
  tasks: 0.3,
  results: 0.25,
  answers: 0.15,
  streams: 0.15,
  dead: 0.1,
  events: 0.05,
} as const;

/**
 * In the order in which they are made: the bucket that the record of stores lies in is the first,
 * the stream that takes tasks from clients the last.
 */
export function wantedStores(options: StoreOptions): readonly WantedStore[] {
  const { leader, ...others } = BUCKETS;
  const streams = wantedStreams(options).map((config) => ({ config, aligned: STREAM_FIELDS }));
  return [
    bucketStore(leader),
    ...Object.values(others).map((bucket) =>
      bucketStore(bucket, bucket === BUCKETS.attempts ? options.resultMaxAgeMs : 0),
    ),
    packageStore(),
    ...streams.reverse(),
  ];
}

/** Whatever bounds a store beside its bytes would drop or refuse what must be kept. */
const BOUNDS = ['max_age', 'max_msgs', 'max_msg_size', 'max_msgs_per_subject'] as const;
const COMMON_FIELDS = ['subjects', 'discard', 'no_ack', 'allow_direct', ...BOUNDS] as const;
const STREAM_FIELDS = [...COMMON_FIELDS, 'duplicate_window', 'discard_new_per_subject'] as const;
const BUCKET_FIELDS = [...COMMON_FIELDS, 'allow_rollup_hdrs'] as const;

const UNBOUNDED = { max_age: 0, max_msgs: -1, max_msg_size: -1, max_msgs_per_subject: -1 };

function common(name: string, subjects: readonly string[], maxBytes: number) {
  return {
    ...UNBOUNDED,
    name,
    subjects: [...subjects],
    storage: StorageType.File,
    max_bytes: Math.floor(maxBytes),
    duplicate_window: nanos(EDGE_LIMITS.duplicateWindowMs),
    discard_new_per_subject: false,
    no_ack: false,
    allow_direct: true,
  };
}

function wantedStreams(options: StoreOptions): readonly WantedStore['config'][] {
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
      // Like the results, but a result may take the place of a refusal: each writer says which
      // sequence it expects, and a server that refuses by subject would refuse that as well.
      ...common(STREAMS.answers, [patterns.answers], storageBytes * SHARES.answers),
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      max_msgs_per_subject: 1,
      max_age: nanos(WIRE_LIMITS.answerMaxAgeMs),
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

/** A bucket of someone else's making must not forget what was written, nor lose it to a restart. */
function bucketStore(bucket: string, maxAgeMs = 0): WantedStore {
  return {
    config: {
      ...UNBOUNDED,
      name: `KV_${bucket}`,
      subjects: [`$KV.${bucket}.>`],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.New,
      max_msgs_per_subject: 1,
      max_age: nanos(maxAgeMs),
      no_ack: false,
      allow_direct: true,
      allow_rollup_hdrs: true,
    },
    aligned: BUCKET_FIELDS,
  };
}

/** Made here, not by the client: its own request has a field that newer servers refuse. */
function packageStore(): WantedStore {
  return {
    config: {
      ...UNBOUNDED,
      name: `OBJ_${PACKAGE_STORE}`,
      subjects: [`$O.${PACKAGE_STORE}.C.>`, `$O.${PACKAGE_STORE}.M.>`],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.New,
      no_ack: false,
      allow_direct: true,
      allow_rollup_hdrs: true,
    },
    aligned: BUCKET_FIELDS,
  };
}

/** Every name that a kernel makes. */
export const STORE_NAMES: readonly string[] = wantedStores({
  storageBytes: 0,
  resultMaxAgeMs: 0,
}).map(({ config }) => config.name);
