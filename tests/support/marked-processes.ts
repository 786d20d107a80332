/**
 * Finds every process that descends from one program, however deep, by a mark in its environment
 * (Linux: /proc). Used to prove that nothing is left behind.
 */
import { readFileSync, readdirSync } from 'node:fs';

export const MARK = 'TEST_PROCESS_MARK';

export interface MarkedProcess {
  readonly osPid: number;
  readonly command: string;
}

/** @param mark the value that the first program got in the variable MARK. */
export function processesMarked(mark: string): MarkedProcess[] {
  const wanted = `${MARK}=${mark}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => read(`/proc/${name}/environ`).split('\0').includes(wanted))
    .map((name) => ({
      osPid: Number(name),
      command: read(`/proc/${name}/cmdline`).split('\0').join(' ').trim(),
    }))
    .filter((found) => found.command !== '');
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
