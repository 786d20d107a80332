/**
 * Registers the packages of a models folder: skips those that the registry holds as they are,
 * checks the others (each in a process of its own) and adds them.
 *
 * A package that is refused is reported and passed over; the system runs without it.
 */
import { toErrorBody } from '@llmos/base';
import type { ModelRegistration } from '@llmos/base';
import type { ReportNotice } from '../programs/system-notice';

export interface ModelFolder {
  readonly name: string;
  readonly path: string;
}

/** What registering needs of the world. */
export interface ModelRegistrar {
  list(): Promise<readonly ModelRegistration[]>;
  isUnchanged(folder: ModelFolder, registered: ModelRegistration): Promise<boolean>;
  /** Checks the package and adds it. */
  add(
    folder: ModelFolder,
    onStored: (storedBytes: number, totalBytes: number) => void,
  ): Promise<{ model: ModelRegistration; added: boolean }>;
}

export interface RegisterOptions {
  readonly folders: readonly ModelFolder[];
  readonly registrar: ModelRegistrar;
  readonly report: ReportNotice;
  readonly signal?: AbortSignal;
}

/** Answers `name@version` of every package of the folder that is registered now. */
export async function registerModels(options: RegisterOptions): Promise<string[]> {
  const registered = newestOf(await options.registrar.list());
  const references: string[] = [];
  for (const folder of options.folders) {
    options.signal?.throwIfAborted();
    const model = await registerOne(folder, registered.get(folder.name), options);
    if (model !== undefined) references.push(`${model.name}@${model.version}`);
  }
  return references;
}

async function registerOne(
  folder: ModelFolder,
  existing: ModelRegistration | undefined,
  options: RegisterOptions,
): Promise<ModelRegistration | undefined> {
  const { registrar, report } = options;
  const done = (model: ModelRegistration, isNew: boolean): ModelRegistration => {
    const bytes = model.files.reduce((sum, file) => sum + file.bytes, 0);
    report({ kind: 'model-registered', model: `${model.name}@${model.version}`, isNew, bytes });
    return model;
  };
  try {
    if (existing !== undefined && (await registrar.isUnchanged(folder, existing))) {
      return done(existing, false);
    }
    report({ kind: 'model-checking', name: folder.name });
    const { model, added } = await registrar.add(folder, (storedBytes, totalBytes) =>
      report({ kind: 'model-storing', name: folder.name, storedBytes, totalBytes }),
    );
    return done(model, added);
  } catch (error) {
    options.signal?.throwIfAborted();
    report({ kind: 'model-refused', name: folder.name, message: toErrorBody(error).message });
    return undefined;
  }
}

/** The highest version of each name; versions that are no integers come before those that are. */
export function newestOf(
  models: readonly ModelRegistration[],
): ReadonlyMap<string, ModelRegistration> {
  const newest = new Map<string, ModelRegistration>();
  for (const model of models) {
    const known = newest.get(model.name);
    if (known === undefined || versionRank(model) >= versionRank(known)) {
      newest.set(model.name, model);
    }
  }
  return newest;
}

function versionRank(model: ModelRegistration): number {
  return /^\d{1,15}$/.test(model.version) ? Number(model.version) : -1;
}
