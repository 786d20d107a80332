/**
 * `model-add` and `model-remove`: who gets which version, and that no file is missing.
 *
 * Versions are whole numbers unless the caller names one. Two kernels or callers may add at the
 * same time: the write is a create, and who comes second looks again.
 */
import type { ModelRegistration, SystemCalls } from '@llmos/base';
import {
  GUARD_LIMITS,
  LlmosError,
  encodeJson,
  formatModelRef,
  modelTarget,
  parseModelRef,
  quoteShort,
} from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { PackageStore } from '../ports/package-store';
import type { RegistryStore } from '../ports/registry-store';
import type { Registry } from './registry';
import type { PackageTurns } from './package-turns';
import { pageOfRemovals } from './system-lists';

type AddRequest = SystemCalls['model-add']['request'];
type RemoveRequest = SystemCalls['model-remove']['request'];
type AddOutput = SystemCalls['model-add']['output'];

export interface ModelRegistrarOptions {
  readonly registry: Registry;
  readonly store: RegistryStore;
  readonly packages: Pick<PackageStore, 'missing'>;
  readonly turns: PackageTurns;
  readonly wallMs: () => number;
}

export class ModelRegistrar {
  constructor(private readonly options: ModelRegistrarOptions) {}

  add(request: AddRequest): Promise<AddOutput> {
    return this.options.turns.add(() => this.addInTurn(request));
  }

  private async addInTurn(request: AddRequest): Promise<AddOutput> {
    assertSize(request);
    const same = this.sameAs(request);
    if (same !== undefined) return { model: same, added: false };
    this.assertRoom(request);
    await this.assertFilesStored(request);
    // Versions that a watch has not shown yet are skipped one by one.
    for (let tries = 0; tries < EDGE_LIMITS.maxVersionTries; tries += 1) {
      const model = this.registrationOf(request, tries);
      if ((await this.options.store.addModel(model)) === 'added') {
        await this.untilKnown(model);
        return { model, added: true };
      }
      const found = this.sameAs(request);
      if (found !== undefined) return { model: found, added: false };
      if (request.version !== undefined) throw taken(request.name, request.version);
    }
    throw new LlmosError('ABORTED', `model ${quoteShort(request.name)} is being added by others`);
  }

  /** Oldest first: while others are left, a name goes on meaning its newest version. */
  async remove(request: RemoveRequest): Promise<SystemCalls['model-remove']['output']> {
    const ref = parseModelRef(request.model);
    const versions = ref === undefined ? [] : this.options.registry.versionsOf(ref.name);
    const chosen = versions.filter(
      (model) => ref?.version === undefined || model.version === ref.version,
    );
    if (chosen.length === 0 && request.pageToken === undefined) {
      throw new LlmosError('NOT_FOUND', `no model ${quoteShort(request.model)} is registered`);
    }
    const { rows, ...next } = pageOfRemovals(chosen, request);
    await Promise.all(
      rows.map(({ name, version }) => this.options.store.removeModel(name, version)),
    );
    return { removed: rows.map(formatModelRef), ...next };
  }

  /** Whoever is told of a model may use it at once: the watch shows it a moment after the write. */
  private untilKnown(model: ModelRegistration): Promise<void> {
    const { registry } = this.options;
    const isKnown = (): boolean => registry.modelOf(modelTarget(model)) !== undefined;
    if (isKnown()) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        stopListening();
        resolve();
      };
      const timer = setTimeout(end, EDGE_LIMITS.modelKnownMs);
      const stopListening = registry.onChange(() => {
        if (isKnown()) end();
      });
    });
  }

  /** The registration that makes another one needless: the same package, newest or as named. */
  private sameAs(request: AddRequest): ModelRegistration | undefined {
    const versions = this.options.registry.versionsOf(request.name);
    if (request.version === undefined) {
      const newest = versions.at(-1);
      return newest?.digest === request.digest ? newest : undefined;
    }
    const named = versions.find((model) => model.version === request.version);
    if (named === undefined) return undefined;
    if (named.digest !== request.digest) throw taken(request.name, named.version);
    return named;
  }

  private registrationOf(request: AddRequest, skip: number): ModelRegistration {
    const versions = this.options.registry.versionsOf(request.name);
    const numbers = versions.map((model) => versionNumber(model.version) ?? 0);
    const newestWallMs = versions.at(-1)?.addedWallMs ?? 0;
    return {
      ...request,
      version: request.version ?? String(Math.max(0, ...numbers) + 1 + skip),
      // The newest version is the one added last, also where clocks of kernels disagree.
      addedWallMs: Math.max(this.options.wallMs(), newestWallMs + 1),
    };
  }

  /** What is beyond is not read by any kernel. */
  private assertRoom(request: AddRequest): void {
    const count = this.options.registry.models().length;
    // The row has its key, its version and the time, too.
    const rowBytes = encodeJson(request).length + EDGE_LIMITS.registrationRowBytes;
    const bytes = this.options.store.modelBytes() + rowBytes;
    const { maxBucketBytes } = GUARD_LIMITS;
    if (count < EDGE_LIMITS.maxModels && bytes <= maxBucketBytes) return;
    const message =
      count < EDGE_LIMITS.maxModels
        ? `the ${count} registrations would have ${bytes} bytes, of at most ${maxBucketBytes}`
        : `${count} models are registered, of at most ${EDGE_LIMITS.maxModels}`;
    throw new LlmosError('RESOURCE_EXHAUSTED', `${message}: remove some`, { retryable: false });
  }

  private async assertFilesStored(request: AddRequest): Promise<void> {
    const missing = await this.options.packages.missing(request.files);
    const [first] = missing;
    if (first === undefined) return;
    const message =
      `${missing.length} of ${request.files.length} files are not in the object store: ` +
      `${quoteShort(first.path)} (sha256 ${first.sha256}, ${first.bytes} bytes)`;
    throw new LlmosError('FAILED_PRECONDITION', message);
  }
}

function assertSize(request: AddRequest): void {
  const { length } = encodeJson(request);
  if (length <= EDGE_LIMITS.maxRegistrationBytes) return;
  throw new LlmosError(
    'INVALID_ARGUMENT',
    `the registration has ${length} bytes; at most ${EDGE_LIMITS.maxRegistrationBytes} are stored`,
  );
}

function versionNumber(version: string): number | undefined {
  return /^\d{1,15}$/.test(version) ? Number(version) : undefined;
}

function taken(name: string, version: string): LlmosError {
  const message = `model ${name}@${version} is registered already, with another digest`;
  return new LlmosError('ALREADY_EXISTS', message);
}
