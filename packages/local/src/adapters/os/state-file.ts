/**
 * The record of a running `llmos up` on disk: claims its state folder, and lets others find it.
 *
 * A record whose process is gone (or whose pid now belongs to another process) is ignored.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LlmosError } from '@llmos/base';
import { parseRunningSystem } from '../../programs/running-system';
import type { RunningSystemRecord } from '../../programs/running-system';
import { writeWholeFile } from './whole-file';

const FILE_NAME = 'llmos-up.json';

export interface StateClaim {
  update(urls: { readonly natsUrl: string; readonly kernelUrl: string }): void;
  /** Removes the record; may be called twice. */
  release(): void;
}

/** Throws FAILED_PRECONDITION where another `llmos up` uses the folder, or it can't be written. */
export function claimStateFolder(folder: string): StateClaim {
  const file = join(folder, FILE_NAME);
  const own: RunningSystemRecord = {
    version: 1,
    state: 'starting',
    osPid: process.pid,
    startMark: startMarkOf(process.pid),
    natsUrl: '',
    kernelUrl: '',
  };
  inFolder(folder, () => mkdirSync(folder, { recursive: true }));
  if (!inFolder(folder, () => tryWrite(file, own))) {
    const other = readRunningSystem(folder, { isStartingToo: true });
    if (other !== undefined) throw claimed(folder, other);
    // Of a system that is gone.
    inFolder(folder, () => rmSync(file, { force: true }));
    if (!inFolder(folder, () => tryWrite(file, own))) {
      throw claimed(folder, readRunningSystem(folder, { isStartingToo: true }));
    }
  }
  return {
    update: (urls) => {
      const ready: RunningSystemRecord = { ...own, ...urls, state: 'ready' };
      writeWholeFile(file, JSON.stringify(ready));
    },
    release: () => rmSync(file, { force: true }),
  };
}

/** Of several that try at once, one succeeds. @returns false where a record is there. */
function tryWrite(file: string, record: RunningSystemRecord): boolean {
  try {
    writeFileSync(file, JSON.stringify(record), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function inFolder<T>(folder: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `the state folder ${folder} can't be written: ${reason}`;
    throw new LlmosError('FAILED_PRECONDITION', message, { cause });
  }
}

/** The system that runs from this folder; undefined where none does. */
export function readRunningSystem(
  folder: string,
  options: { readonly isStartingToo?: boolean } = {},
): RunningSystemRecord | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, FILE_NAME), 'utf8');
  } catch {
    return undefined;
  }
  const record = parseRunningSystem(text);
  if (record === undefined || !isAlive(record)) return undefined;
  return record.state === 'ready' || options.isStartingToo === true ? record : undefined;
}

function isAlive(record: RunningSystemRecord): boolean {
  try {
    process.kill(record.osPid, 0);
  } catch (error) {
    // EPERM: it is there, and someone else's.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const mark = startMarkOf(record.osPid);
  return mark === '' || record.startMark === '' || mark === record.startMark;
}

/** Start time of a process in clock ticks since boot (Linux); empty where it can't be told. */
function startMarkOf(osPid: number): string {
  try {
    const stat = readFileSync(`/proc/${osPid}/stat`, 'utf8');
    // The command's name, in brackets, may itself hold spaces and brackets.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function claimed(folder: string, other: RunningSystemRecord | undefined): LlmosError {
  const { natsUrl = '', osPid } = other ?? {};
  const who = osPid === undefined ? '' : ` (pid ${osPid})`;
  const where = natsUrl === '' ? '' : ` at ${natsUrl}`;
  return new LlmosError(
    'FAILED_PRECONDITION',
    `an llmos system${who} already runs${where} from ${folder}; ` +
      'stop it, or give this one a folder of its own with --data DIR',
    { details: { folder, ...(osPid === undefined ? {} : { osPid }) } },
  );
}
