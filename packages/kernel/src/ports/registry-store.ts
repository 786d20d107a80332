import type { FunctionDefinition, ModelRegistration, SpawnRequest } from '@llmos/base';

/** Models, functions and desired processes: key–value buckets that every kernel watches. */
export interface RegistryStore {
  /** Calls back with the whole current value, at once and after each change. */
  watchModels(onChange: (models: readonly ModelRegistration[]) => void): Promise<void>;
  watchFunctions(onChange: (functions: readonly FunctionDefinition[]) => void): Promise<void>;
  readDesired(): Promise<readonly SpawnRequest[]>;
  writeDesired(request: SpawnRequest): Promise<void>;
  /** `conflict` where NAME/VERSION exists already. */
  addModel(model: ModelRegistration): Promise<'added' | 'conflict'>;
  /**
   * Digests of the files that any row names, also rows that this kernel can't read. Undefined while
   * no row was ever stored. Rejects where a row can't be looked at.
   */
  usedFiles(): Promise<ReadonlySet<string> | undefined>;
  removeModel(name: string, version: string): Promise<void>;
  close(): Promise<void>;
}
