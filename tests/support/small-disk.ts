/**
 * A disk of a chosen size for one test: a file system in memory, whose size is only a bound, so
 * that "less room" and "full" are one `mount`. Needs the rights to mount (Linux, root).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  readonly folder: string;
  /** From now on so much is free, whatever lies there. */
  leaveFree(bytes: number): void;
  remove(): void;
}

const MIB = 2 ** 20;
/** Of memory; what tests write to a disk is less. */
const PAGE_BYTES = 4096;
const RESIZES = 50;

/** undefined, with a message, where nothing can be mounted. */
export function mountSmallDisk(freeBytes: number): SmallDisk | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'llmos-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${freeBytes}`, 'tmpfs', folder], {
      stdio: 'pipe',
    });
  } catch (error) {
    rmSync(folder, { recursive: true });
    console.warn(`skipped: no disk can be mounted here: ${String(error)}`);
    return undefined;
  }
  return {
    folder,
    leaveFree: (bytes) => {
      for (let tries = 1; ; tries += 1) {
        try {
          return resize(folder, bytes);
        } catch (error) {
          // Something was written in between, and no disk gets smaller than what lies there.
          if (tries === RESIZES) throw error;
        }
      }
    },
    remove: () => {
      execFileSync('umount', ['-l', folder], { stdio: 'pipe' });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function resize(folder: string, freeBytes: number): void {
  const { blocks, bfree, bsize } = statfsSync(folder);
  const usedBytes = (blocks - bfree) * bsize;
  const pages = Math.max(1, Math.ceil((usedBytes + freeBytes) / PAGE_BYTES));
  execFileSync('mount', ['-o', `remount,size=${pages * PAGE_BYTES}`, folder], { stdio: 'pipe' });
}

export const mebibytes = (count: number): number => count * MIB;
