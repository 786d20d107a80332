/** Looks at the disk of a system while it runs, and tells when its level changes. */
import type { DiskLevel, DiskWord } from '@llmos/base';
import { LOCAL_LIMITS } from '../../limits';
import { judgeDisk } from '../../nats/disk-level';
import { freeBytesOf } from './store-files';

export interface DiskWatchOptions {
  readonly folder: string;
  readonly onChange: (word: DiskWord, before: DiskLevel) => void;
}

export interface DiskWatch {
  /** When the level last changed. */
  readonly word: DiskWord;
  stop(): void;
}

/** The first look is at once; a disk that is not ample then is told of. */
export function watchDisk(options: DiskWatchOptions): DiskWatch {
  let word: DiskWord = { kind: 'disk', level: 'ample', freeBytes: freeBytesOf(options.folder) };
  const look = (): void => {
    let freeBytes: number;
    try {
      freeBytes = freeBytesOf(options.folder);
    } catch {
      // A folder that is gone for a moment says nothing about room.
      return;
    }
    const before = word.level;
    const level = judgeDisk(before, freeBytes);
    if (level === before) return;
    word = { kind: 'disk', level, freeBytes };
    options.onChange(word, before);
  };
  look();
  const timer = setInterval(look, LOCAL_LIMITS.diskCheckMs);
  return {
    get word() {
      return word;
    },
    stop: () => clearInterval(timer),
  };
}
