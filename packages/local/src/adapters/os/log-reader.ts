/** Reads the log files of a system's programs: their last lines, then what is appended. */
import { closeSync, openSync, readSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { LOCAL_LIMITS } from '../../limits';

const SUFFIX = '.log';

/** The programs that have a log below the state folder, in order of their names. */
export function listLogs(stateFolder: string): string[] {
  try {
    const names = readdirSync(join(stateFolder, 'logs'));
    const logs = names.filter((name) => name.endsWith(SUFFIX));
    return logs.map((name) => name.slice(0, -SUFFIX.length)).sort();
  } catch {
    return [];
  }
}

/** One log, read piece by piece; a log that was moved away is read on from its new start. */
export class LogReader {
  readonly #file: string;
  #decoder = new StringDecoder('utf8');
  #offset = 0;
  #rest = '';

  constructor(stateFolder: string, program: string) {
    this.#file = join(stateFolder, 'logs', `${program}${SUFFIX}`);
  }

  /** The whole lines that came since the last look, at most a piece of them. */
  read(): string[] {
    const size = statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0;
    if (size < this.#offset) this.#startAt(0);
    const length = Math.min(size - this.#offset, LOCAL_LIMITS.logPieceBytes);
    if (length <= 0) return [];
    const bytes = Buffer.alloc(length);
    const descriptor = openSync(this.#file, 'r');
    try {
      const read = readSync(descriptor, bytes, 0, length, this.#offset);
      this.#offset += read;
      const lines = (this.#rest + this.#decoder.write(bytes.subarray(0, read))).split('\n');
      this.#rest = lines.pop() ?? '';
      return lines.filter((line) => line.trim() !== '');
    } finally {
      closeSync(descriptor);
    }
  }

  /** The last lines that are there now; reading goes on after them. */
  readLast(count: number): string[] {
    let last: string[] = [];
    for (let lines = this.read(); lines.length > 0; lines = this.read()) {
      last = [...last, ...lines].slice(-count);
    }
    return count === 0 ? [] : last;
  }

  #startAt(offset: number): void {
    this.#offset = offset;
    this.#rest = '';
    this.#decoder = new StringDecoder('utf8');
  }
}
