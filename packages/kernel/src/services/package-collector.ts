/**
 * Removes package files that no model names any more, and pieces of uploads that never ended. Run
 * by the leader alone.
 *
 * Whoever adds a model stores its files first and its row later, so a file goes only when it was
 * unused at every look of a whole period of grace, and was not stored anew in it. Time is counted
 * by this kernel's steady clock, from the beginning of its leadership.
 */
import type { Logger } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { PackageStore, UnusedItem } from '../ports/package-store';
import type { RegistryStore } from '../ports/registry-store';
import type { PackageTurns } from './package-turns';

export interface PackageCollectorOptions {
  readonly packages: PackageStore;
  readonly store: Pick<RegistryStore, 'usedFiles'>;
  readonly turns: PackageTurns;
  readonly graceMs: number;
  readonly nowMs: () => number;
  readonly log: Logger;
}

interface Sight {
  readonly revision: number;
  readonly sinceMs: number;
}

export class PackageCollector {
  private unused: ReadonlyMap<string, Sight> = new Map();
  private timer: NodeJS.Timeout | undefined;
  private leadership = 0;

  constructor(private readonly options: PackageCollectorOptions) {}

  /** @param isLeading is asked before each removal. */
  begin(isLeading: () => boolean): void {
    this.end();
    this.unused = new Map();
    const { leadership } = this;
    const mayGoOn = (): boolean => leadership === this.leadership && isLeading();
    const lookMs = Math.min(EDGE_LIMITS.packageLookMs, this.options.graceMs);
    const again = (): void => {
      this.timer = setTimeout(() => {
        void this.lookSafely(mayGoOn).finally(() => {
          if (leadership === this.leadership) again();
        });
      }, lookMs);
    };
    again();
  }

  end(): void {
    this.leadership += 1;
    clearTimeout(this.timer);
  }

  /** One look. @returns what was removed. */
  async look(mayGoOn: () => boolean): Promise<readonly UnusedItem[]> {
    const { packages, store, turns, graceMs, nowMs } = this.options;
    const used = await store.usedFiles();
    if (used === undefined) return [];
    const items = await packages.unused((sha256) => used.has(sha256));
    const atMs = nowMs();
    const seen = new Map<string, Sight>();
    for (const { id, revision } of items) {
      const before = this.unused.get(id);
      seen.set(id, before?.revision === revision ? before : { revision, sinceMs: atMs });
    }
    this.unused = seen;
    const isDue = ({ id }: UnusedItem): boolean =>
      atMs - (seen.get(id)?.sinceMs ?? atMs) >= graceMs;
    const due = items.filter(isDue).slice(0, EDGE_LIMITS.maxRemovedFiles);
    const removed: UnusedItem[] = [];
    if (due.length === 0) return removed;
    await turns.remove(async () => {
      // A model may have been added since.
      const stillUsed = await store.usedFiles();
      for (const item of due) {
        if (stillUsed === undefined || !mayGoOn()) return;
        if (item.sha256 !== undefined && stillUsed.has(item.sha256)) continue;
        await packages.remove(item);
        removed.push(item);
      }
    });
    return removed;
  }

  private async lookSafely(mayGoOn: () => boolean): Promise<void> {
    const { log } = this.options;
    try {
      const removed = await this.look(mayGoOn);
      const files = removed.filter((item) => item.sha256 !== undefined).length;
      if (removed.length === 0) return;
      log.info('packages-removed', { files, unfinishedUploads: removed.length - files });
    } catch (error) {
      // The next look tries again; until then, what is unused only takes room.
      log.warn('package-look-failed', { error });
    }
  }
}
