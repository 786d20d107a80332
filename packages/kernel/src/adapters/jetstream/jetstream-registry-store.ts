/** Models, functions and desired processes: key–value buckets, watched by every kernel. */
import type { FunctionDefinition, Logger, ModelRegistration, SpawnRequest } from '@llmos/base';
import { BUCKETS, decodeJson, encodeJson } from '@llmos/base';
import type { KV, NatsConnection } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import type { RegistryStore } from '../../ports/registry-store';
import {
  checkFunctionDefinition,
  checkModelRegistration,
  checkSpawnRequest,
} from '../../services/request-schemas';
import { isConflict } from './api-errors';
import { whileUnavailable } from './connection';

type Check = (value: unknown) => { readonly message: string } | undefined;

export class JetStreamRegistryStore implements RegistryStore {
  private readonly closers: (() => void)[] = [];
  private isClosed = false;

  private constructor(
    private readonly buckets: { models: KV; functions: KV; processes: KV },
    private readonly log: Logger,
  ) {}

  static async open(connection: NatsConnection, log: Logger): Promise<JetStreamRegistryStore> {
    const { views } = connection.jetstream({ timeout: EDGE_LIMITS.requestTimeoutMs });
    const open = (name: string): Promise<KV> => views.kv(name, { bindOnly: true });
    const buckets = {
      models: await open(BUCKETS.models),
      functions: await open(BUCKETS.functions),
      processes: await open(BUCKETS.processes),
    };
    return new JetStreamRegistryStore(buckets, log);
  }

  watchModels(onChange: (models: readonly ModelRegistration[]) => void): Promise<void> {
    return this.watch<ModelRegistration>({
      bucket: this.buckets.models,
      maxRows: EDGE_LIMITS.maxModels,
      check: checkModelRegistration,
      onChange,
    });
  }

  watchFunctions(onChange: (functions: readonly FunctionDefinition[]) => void): Promise<void> {
    return this.watch<FunctionDefinition>({
      bucket: this.buckets.functions,
      maxRows: EDGE_LIMITS.maxFunctions,
      check: checkFunctionDefinition,
      onChange,
    });
  }

  readDesired(): Promise<readonly SpawnRequest[]> {
    const waiting = { log: this.log, waitMs: EDGE_LIMITS.takeoverWaitMs };
    return whileUnavailable(waiting, () => this.readDesiredOnce());
  }

  private async readDesiredOnce(): Promise<readonly SpawnRequest[]> {
    const { processes } = this.buckets;
    const desired: SpawnRequest[] = [];
    const keys = await processes.keys();
    for await (const key of keys) {
      const entry = await processes.get(key);
      if (entry === null || entry.operation !== 'PUT') continue;
      const value = this.parse<SpawnRequest>(entry.key, entry.value, checkSpawnRequest);
      if (value !== undefined) desired.push(value);
    }
    return desired;
  }

  async writeDesired(request: SpawnRequest): Promise<void> {
    // `@` is not allowed in a key; a version never contains `/`.
    const key = request.model.replace('@', '/');
    await this.buckets.processes.put(key, encodeJson(request));
  }

  async addModel(model: ModelRegistration): Promise<'added' | 'conflict'> {
    try {
      await this.buckets.models.create(`${model.name}/${model.version}`, encodeJson(model));
      return 'added';
    } catch (error) {
      if (isConflict(error)) return 'conflict';
      throw error;
    }
  }

  async removeModel(name: string, version: string): Promise<void> {
    await this.buckets.models.delete(`${name}/${version}`);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const close of this.closers) close();
    return Promise.resolve();
  }

  /** Resolves when the current rows were handed over; watches again if the watch breaks. */
  private async watch<T>(of: {
    readonly bucket: KV;
    readonly maxRows: number;
    readonly check: Check;
    readonly onChange: (rows: readonly T[]) => void;
  }): Promise<void> {
    const rows = new Map<string, T>();
    let isInitialized = false;
    let report: () => void = () => undefined;
    const initialized = new Promise<void>((resolve) => (report = resolve));
    const publish = (): void => of.onChange([...rows.values()]);
    const entries = await of.bucket.watch({
      initializedFn: () => {
        isInitialized = true;
        publish();
        report();
      },
    });
    this.closers.push(() => entries.stop());
    const follow = async (): Promise<void> => {
      for await (const entry of entries) {
        const isPut = entry.operation === 'PUT' && entry.value.length > 0;
        const value = isPut ? this.parse<T>(entry.key, entry.value, of.check) : undefined;
        if (value === undefined) rows.delete(entry.key);
        else if (rows.size < of.maxRows || rows.has(entry.key)) rows.set(entry.key, value);
        if (isInitialized) publish();
      }
    };
    void follow()
      .catch((error: unknown) => this.log.warn('registry-watch-failed', { error }))
      .finally(() => this.watchAgain(of));
    await initialized;
  }

  private watchAgain<T>(of: Parameters<typeof this.watch<T>>[0]): void {
    if (this.isClosed) return;
    const timer = setTimeout(() => {
      this.watch(of).catch((error: unknown) => {
        this.log.warn('registry-watch-failed', { error });
        this.watchAgain(of);
      });
    }, EDGE_LIMITS.registryRetryMs);
    this.closers.push(() => clearTimeout(timer));
  }

  private parse<T>(key: string, bytes: Uint8Array, check: Check): T | undefined {
    let value: unknown;
    try {
      value = decodeJson(bytes);
    } catch {
      value = undefined;
    }
    const refusal = check(value);
    if (refusal === undefined) return value as T;
    this.log.warn('registry-row-refused', { key, reason: refusal.message });
    return undefined;
  }
}
