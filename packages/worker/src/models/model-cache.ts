/**
 * Verified model packages on this machine's disk, within a size limit.
 *
 * One fetch at a time per digest; whoever asks meanwhile waits for it. A package in use is held
 * and not evicted; the least recently used others are. Room is promised to one fetch after the
 * other, so that several at once keep the limit. One writer: the agent.
 */
import type { Clock, Logger, ModelRegistration } from '@llmos/base';
import { LlmosError, quoteShort, tellingBytes } from '@llmos/base';
import { PACKAGE_LIMITS } from '../limits';
import type { ModelStore } from '../ports/model-store';
import type { PackageDisk } from '../ports/package-disk';
import { assertPackageFiles, isDigest } from './package-path';

export interface ModelCacheParts {
  readonly disk: PackageDisk;
  readonly store: ModelStore;
  readonly limitBytes: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface HeldPackage {
  readonly folder: string;
  /** Allows its eviction. May be called twice. */
  release(): void;
}

export type FetchProgress = (fetchedBytes: number, totalBytes: number) => void;

interface Flight {
  readonly done: Promise<void>;
  readonly listeners: Set<FetchProgress>;
}

export class ModelCache {
  private readonly flights = new Map<string, Flight>();
  private readonly holders = new Map<string, number>();
  /** Bytes of packages that are being fetched, by digest. */
  private readonly promised = new Map<string, number>();
  private lastPromise: Promise<unknown> = Promise.resolve();

  constructor(private readonly parts: ModelCacheParts) {}

  /**
   * Resolves once every file is on disk and verified. Throws typed errors: INVALID_ARGUMENT for a
   * bad registration, NOT_FOUND and UNAVAILABLE from the store, DATA_LOSS for bytes that don't
   * match, RESOURCE_EXHAUSTED where the package does not fit.
   */
  async acquire(model: ModelRegistration, onProgress: FetchProgress): Promise<HeldPackage> {
    if (!isDigest(model.digest)) {
      throw new LlmosError('INVALID_ARGUMENT', `digest ${quoteShort(model.digest)} of ${model.name}`);
    }
    assertPackageFiles(model.files);
    const release = this.hold(model.digest);
    try {
      await this.join(model, onProgress);
    } catch (thrown) {
      release();
      throw thrown;
    }
    return { folder: this.parts.disk.folderOf(model.digest), release };
  }

  private hold(digest: string): () => void {
    this.holders.set(digest, (this.holders.get(digest) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (this.holders.get(digest) ?? 1) - 1;
      if (left > 0) this.holders.set(digest, left);
      else this.holders.delete(digest);
    };
  }

  private async join(model: ModelRegistration, onProgress: FetchProgress): Promise<void> {
    let flight = this.flights.get(model.digest);
    if (flight === undefined) {
      const listeners = new Set<FetchProgress>();
      const tell: FetchProgress = (fetched, total) => listeners.forEach((on) => on(fetched, total));
      const done = this.provide(model, tell).finally(() => this.flights.delete(model.digest));
      flight = { done, listeners };
      this.flights.set(model.digest, flight);
    }
    flight.listeners.add(onProgress);
    try {
      await flight.done;
    } finally {
      flight.listeners.delete(onProgress);
    }
  }

  private async provide(model: ModelRegistration, tell: FetchProgress): Promise<void> {
    const { disk, log } = this.parts;
    // Before the check, which reads for long: another agent of this machine may need room.
    await disk.touch(model.digest);
    const found = await disk.check(model.digest, model.files);
    if (found.kind === 'corrupt') {
      log.warn('package-corrupt', { model: model.name, digest: model.digest, what: found.what });
      await disk.remove(model.digest);
    }
    if (found.kind !== 'valid') await this.fetch(model, tell);
    if (await disk.touch(model.digest)) return;
    throw new LlmosError('UNAVAILABLE', `another program removed ${model.name} from the cache`);
  }

  private async fetch(model: ModelRegistration, tell: FetchProgress): Promise<void> {
    const { disk, store, log, clock } = this.parts;
    const totalBytes = sumOf(model.files.map((file) => file.bytes));
    await this.promiseRoom(totalBytes, model);
    const startedMs = clock.nowMs();
    try {
      const draft = await disk.createDraft(model.digest);
      try {
        let fetchedBytes = 0;
        for (const file of model.files) {
          const count = (bytes: number): void => tell((fetchedBytes += bytes), totalBytes);
          await draft.write(file, tellingBytes(store.read(file.sha256), count));
        }
        await draft.publish();
      } finally {
        await draft.discard();
      }
    } finally {
      this.promised.delete(model.digest);
    }
    const tookMs = Math.round(clock.nowMs() - startedMs);
    log.info('package-fetched', { model: model.name, version: model.version, totalBytes, tookMs });
  }

  private promiseRoom(neededBytes: number, model: ModelRegistration): Promise<void> {
    const mine = this.lastPromise.then(async () => {
      await this.makeRoom(neededBytes, model);
      this.promised.set(model.digest, neededBytes);
    });
    this.lastPromise = mine.catch(() => undefined);
    return mine;
  }

  private async makeRoom(neededBytes: number, model: ModelRegistration): Promise<void> {
    const { disk, limitBytes, clock, log } = this.parts;
    if (neededBytes > limitBytes) {
      const message = `${model.name}@${model.version} has ${neededBytes} bytes, the cache holds ${limitBytes}`;
      throw new LlmosError('RESOURCE_EXHAUSTED', message, { retryable: false });
    }
    const stored = (await disk.list()).filter(({ digest }) => !this.promised.has(digest));
    const packages = [...stored].sort((a, b) => a.usedWallMs - b.usedWallMs);
    let usedBytes = sumOf([...packages.map(({ bytes }) => bytes), ...this.promised.values()]);
    for (const each of packages) {
      if (usedBytes + neededBytes <= limitBytes) return;
      const isRecent = clock.wallMs() - each.usedWallMs < PACKAGE_LIMITS.keepUnusedMs;
      if (this.holders.has(each.digest) || isRecent) continue;
      log.info('package-evicted', { digest: each.digest, bytes: each.bytes });
      await disk.remove(each.digest);
      usedBytes -= each.bytes;
    }
    if (usedBytes + neededBytes <= limitBytes) return;
    const message = `the cache holds ${usedBytes} of ${limitBytes} bytes in use; ${model.name} needs ${neededBytes}`;
    throw new LlmosError('RESOURCE_EXHAUSTED', message);
  }
}

function sumOf(amounts: readonly number[]): number {
  return amounts.reduce((sum, amount) => sum + amount, 0);
}
