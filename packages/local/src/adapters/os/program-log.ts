/** The log files of the programs: appended to by them, kept within a bound by us. */
import {
  closeSync,
  copyFileSync,
  fstatSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { LOCAL_LIMITS } from '../../limits';
import { formatLogLine } from '../../programs/log-line';

/** Moves a log that is too long to `<file>.1`; its writers, who append, go on at the start. */
export function trimLog(file: string): void {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined || stats.size < LOCAL_LIMITS.logBytes) return;
  try {
    copyFileSync(file, `${file}.1`);
  } catch {
    // On a full disk the bound counts for more than the older lines.
    rmSync(`${file}.1`, { force: true });
  }
  truncateSync(file);
}

/** The last lines, for people; empty where there is no log. */
export function readLogTail(file: string): string {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(descriptor);
    const length = Math.min(size, LOCAL_LIMITS.quotedLogBytes);
    const bytes = Buffer.alloc(length);
    readSync(descriptor, bytes, 0, length, size - length);
    const lines = bytes
      .toString('utf8')
      .split('\n')
      .filter((line) => line.trim() !== '');
    const quoted = lines.slice(-LOCAL_LIMITS.quotedLogLines);
    return quoted.map((line) => `  ${cut(formatLogLine(line))}`).join('\n');
  } finally {
    closeSync(descriptor);
  }
}

function cut(text: string): string {
  const { quotedLogChars } = LOCAL_LIMITS;
  return text.length > quotedLogChars ? `${text.slice(0, quotedLogChars)}…` : text;
}
