import type { FunctionDefinition, ModelRegistration, SpawnRequest } from '@llmos/base';
import type { ModelsEvent } from '../kernel-event';

/** Models, functions and desired processes: key–value buckets that every kernel watches. */
export interface RegistryStore {
  /** Calls back with all rows, at once and wherever they were read anew; else with what changed. */
  watchModels(onChange: (event: ModelsEvent) => void): Promise<void>;
  /** Calls back with the whole current value, at once and after each change. */
  watchFunctions(onChange: (functions: readonly FunctionDefinition[]) => void): Promise<void>;
  readDesired(): Promise<readonly SpawnRequest[]>;
  writeDesired(request: SpawnRequest): Promise<void>;
  /** Of the registrations that were read, as they are stored. */
  modelBytes(): number;
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
