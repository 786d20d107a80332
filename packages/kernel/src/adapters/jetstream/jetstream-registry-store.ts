/** Models, functions and desired processes: key–value buckets, watched by every kernel. */
import type {
  FunctionDefinition,
  Logger,
  ModelRegistration,
  OnSkipped,
  SpawnRequest,
} from '@llmos/base';
import { BUCKETS, LlmosError, decodeJson, encodeJson, modelTarget, quoteShort } from '@llmos/base';
import type {
  BucketReading,
  BucketRow,
  BucketWatch,
  BucketWatchOptions,
  JetStreamClient,
  JetStreamManager,
  KV,
  NatsConnection,
  StoredMsg,
} from '@llmos/wire';
import {
  readBucket,
  readHeaders,
  watchBucket,
  isConflict,
  readLast,
  createInbox,
} from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { ModelsEvent } from '../../kernel-event';
import type { RegistryStore } from '../../ports/registry-store';
import type { FunctionRow } from '../../services/request-schemas';
import {
  checkFunctionDefinition,
  checkModelRegistration,
  checkSpawnRequest,
  definitionOf,
} from '../../services/request-schemas';

/** A sha256, wherever a row has it. */
const DIGEST = /[0-9a-f]{64}/g;

type Check = (value: unknown, key: string) => { readonly message: string } | undefined;

export interface RegistryStoreOptions {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly log: Logger;
  readonly onSkipped: OnSkipped;
}

export class JetStreamRegistryStore implements RegistryStore {
  private readonly closers: (() => void)[] = [];
  private readonly jetstream: JetStreamClient;
  private models: BucketWatch | undefined;

  private constructor(
    private readonly options: RegistryStoreOptions,
    private readonly buckets: { models: KV; processes: KV },
  ) {
    this.jetstream = options.connection.jetstream({ timeout: EDGE_LIMITS.requestTimeoutMs });
  }

  static async open(options: RegistryStoreOptions): Promise<JetStreamRegistryStore> {
    const { views } = options.connection.jetstream({ timeout: EDGE_LIMITS.requestTimeoutMs });
    const open = (name: string): Promise<KV> => views.kv(name, { bindOnly: true });
    const buckets = {
      models: await open(BUCKETS.models),
      processes: await open(BUCKETS.processes),
    };
    return new JetStreamRegistryStore(options, buckets);
  }

  watchModels(onChange: (event: ModelsEvent) => void): Promise<void> {
    const bounds = { maxRows: EDGE_LIMITS.maxModels, check: checkModelRow };
    const reading = this.reading<ModelRegistration>(BUCKETS.models, bounds);
    const watch = this.watch({
      ...reading,
      onRows: (rows, change) => onChange(modelsEvent(rows, change)),
    });
    this.models = watch;
    return watch.ready;
  }

  modelBytes(): number {
    return this.models?.bytes ?? 0;
  }

  watchFunctions(onChange: (functions: readonly FunctionDefinition[]) => void): Promise<void> {
    const bounds = { maxRows: EDGE_LIMITS.maxFunctions, check: checkFunctionDefinition };
    const { read, ...reading } = this.reading<FunctionRow>(BUCKETS.functions, bounds);
    const readDefinition = (row: BucketRow): FunctionDefinition | undefined => {
      const stored = read(row);
      return stored === undefined ? undefined : definitionOf(stored);
    };
    const onRows = (rows: ReadonlyMap<string, FunctionDefinition>): void =>
      onChange([...rows.values()]);
    return this.watch({ ...reading, read: readDefinition, onRows }).ready;
  }

  async readDesired(): Promise<readonly SpawnRequest[]> {
    const bounds = { maxRows: EDGE_LIMITS.maxModels, check: checkSpawnRequest };
    const reading = this.reading<SpawnRequest>(BUCKETS.processes, bounds);
    return [...(await readBucket(reading, EDGE_LIMITS.takeoverWaitMs)).values()];
  }

  async writeDesired(request: SpawnRequest): Promise<void> {
    // `@` is not allowed in a key; a version never contains `/`.
    const key = request.model.replace('@', '/');
    await this.buckets.processes.put(key, encodeJson(request));
  }

  async addModel(model: ModelRegistration): Promise<'added' | 'conflict'> {
    const subject = `$KV.${BUCKETS.models}.${model.name}/${model.version}`;
    // The bucket's own create decodes the headers of what is there, whatever they are.
    const stored = await readLast(this.options.manager, `KV_${BUCKETS.models}`, subject);
    if (stored !== undefined && isRow(stored)) return 'conflict';
    try {
      await this.jetstream.publish(subject, encodeJson(model), {
        expect: { lastSubjectSequence: stored?.seq ?? 0 },
      });
      return 'added';
    } catch (error) {
      if (isConflict(error)) return 'conflict';
      throw error;
    }
  }

  async usedFiles(): Promise<ReadonlySet<string> | undefined> {
    const { state } = await this.options.manager.streams.info(`KV_${BUCKETS.models}`);
    if (state.last_seq === 0) return undefined;
    const used = new Set<string>();
    let skipped: string | undefined;
    const reading: BucketReading<never> = {
      ...this.options,
      createInbox,
      bucket: BUCKETS.models,
      maxRows: 0,
      onSkipped: ({ reason }) => (skipped = reason),
      read: ({ value }) => {
        for (const [digest] of Buffer.from(value).toString('latin1').matchAll(DIGEST))
          used.add(digest);
        return undefined;
      },
    };
    await readBucket(reading, EDGE_LIMITS.takeoverWaitMs);
    if (skipped === undefined) return used;
    throw new LlmosError('DATA_LOSS', `a row of ${BUCKETS.models} can't be read: ${skipped}`);
  }

  async removeModel(name: string, version: string): Promise<void> {
    await this.buckets.models.delete(`${name}/${version}`);
  }

  async close(): Promise<void> {
    for (const close of this.closers) close();
    return Promise.resolve();
  }

  private watch<T>(options: BucketWatchOptions<T>): BucketWatch {
    const watch = watchBucket(options);
    this.closers.push(() => watch.close());
    return watch;
  }

  private reading<T>(
    bucket: string,
    of: { readonly maxRows: number; readonly check: Check },
  ): BucketReading<T> {
    const read = (row: BucketRow): T | undefined => this.parse<T>(row, of.check);
    return { ...this.options, createInbox, bucket, maxRows: of.maxRows, read };
  }

  private parse<T>({ key, value: bytes }: BucketRow, check: Check): T | undefined {
    let value: unknown;
    try {
      value = decodeJson(bytes);
    } catch {
      value = undefined;
    }
    const refusal = check(value, key);
    if (refusal === undefined) return value as T;
    this.options.log.warn('registry-row-refused', { key, reason: refusal.message });
    return undefined;
  }
}

/** A row under the key of another one is none: nobody could tell later which model went with it. */
export function checkModelRow(value: unknown, key: string): ReturnType<Check> {
  const refusal = checkModelRegistration(value);
  if (refusal !== undefined) return refusal;
  const { name, version } = value as ModelRegistration;
  const ownKey = `${name}/${version}`;
  return ownKey === key ? undefined : { message: `the row is that of ${quoteShort(ownKey)}` };
}

/** @param change absent where all rows were read anew. */
export function modelsEvent(
  rows: ReadonlyMap<string, ModelRegistration>,
  change: BucketRow | undefined,
): ModelsEvent {
  if (change === undefined) return { kind: 'models-changed', models: [...rows.values()] };
  const { key } = change;
  const [name = '', ...version] = key.split('/');
  const target = modelTarget({ name, version: version.join('/') });
  return { kind: 'model-changed', target, model: rows.get(key) };
}

/** What was deleted, or can't be read, is none. */
function isRow(stored: StoredMsg): boolean {
  const { get, isReadable } = readHeaders(() => stored.header);
  const operation = get('KV-Operation') ?? '';
  return stored.data.length > 0 && isReadable && operation === '';
}
