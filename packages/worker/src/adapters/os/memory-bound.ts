/**
 * Bounds the memory of an OS process that runs already (Linux, by `prlimit` of util-linux): a run of
 * a model that wants more is refused by the allocator, and the process lives on. Without the bound
 * the machine runs out of memory, and whatever runs on it is killed.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseMemoryLine } from '../../agent/node-memory';
import { AGENT_LIMITS } from '../../limits';

export interface MemoryBound {
  readonly osPid: number;
  /** Beyond what it holds now. */
  readonly growthBytes: number;
}

/** Resolves to why it could not be set, else undefined. */
export function boundMemory({ osPid, growthBytes }: MemoryBound): Promise<string | undefined> {
  const heldBytes = heldBytesOf(osPid);
  if (heldBytes === undefined) return Promise.resolve('the system does not say what it holds');
  // Its own memory, not files that it maps: RLIMIT_DATA.
  const args = ['--pid', String(osPid), `--data=${heldBytes + growthBytes}`];
  return new Promise((resolve) => {
    execFile('prlimit', args, { timeout: AGENT_LIMITS.memoryBoundMs }, (error) =>
      resolve(error === null ? undefined : error.message),
    );
  });
}

function heldBytesOf(osPid: number): number | undefined {
  try {
    return parseMemoryLine(readFileSync(`/proc/${osPid}/status`, 'utf8'), 'VmData');
  } catch {
    return undefined;
  }
}
