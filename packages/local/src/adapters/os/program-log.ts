/** The log files of the programs: appended to by them, kept within a bound by us. */
import {
  closeSync,
  copyFileSync,
  fstatSync,
  openSync,
  readSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { isRecord } from '@llmos/base';
import { LOCAL_LIMITS } from '../../limits';

/** Moves a log that is too long to `<file>.1`; its writers, who append, go on at the start. */
export function trimLog(file: string): void {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined || stats.size < LOCAL_LIMITS.logBytes) return;
  copyFileSync(file, `${file}.1`);
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
    return lines.slice(-LOCAL_LIMITS.quotedLogLines).map(shorten).join('\n');
  } finally {
    closeSync(descriptor);
  }
}

/** A structured line as `  level event field=value …`, any other as it is. */
function shorten(line: string): string {
  const maxChars = 240;
  let text = line;
  try {
    const value: unknown = JSON.parse(line);
    if (isRecord(value) && typeof value['event'] === 'string') {
      const { level, event, time: _time, program: _program, osPid: _osPid, ...fields } = value;
      const rest = Object.entries(fields).map(([name, field]) => `${name}=${show(field)}`);
      text = [String(level), event, ...rest].join(' ');
    }
  } catch {
    // Not a structured line.
  }
  return `  ${text.length > maxChars ? `${text.slice(0, maxChars)}…` : text}`;
}

function show(field: unknown): string {
  if (isRecord(field) && typeof field['message'] === 'string') return field['message'];
  return typeof field === 'string' ? field : JSON.stringify(field);
}
