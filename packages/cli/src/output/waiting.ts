/** Says what a command waits for, on a terminal: above all that a model is being loaded. */
import type { ProcessRow } from '@llmos/base';
import { CLI_LIMITS } from '../limits';
import type { Terminal } from './terminal';
import { formatMs } from './units';

export interface Waiting {
  readonly terminal: Terminal;
  /** What is waited for, such as `classify`. */
  readonly what: string;
  readonly ps: () => Promise<readonly ProcessRow[]>;
  readonly nowMs: () => number;
}

/** Answers as the work does; looking on never fails it. */
export async function whileWaiting<T>(waiting: Waiting, work: Promise<T>): Promise<T> {
  if (waiting.terminal.isJson || !waiting.terminal.isInteractive) return work;
  const sinceMs = waiting.nowMs();
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const look = async (): Promise<void> => {
    const processes = await waiting.ps().catch(() => []);
    if (isOver) return;
    waiting.terminal.progress(describeWait(waiting.what, processes, waiting.nowMs() - sinceMs));
    timer = setTimeout(() => void look(), CLI_LIMITS.waitLookMs);
  };
  timer = setTimeout(() => void look(), CLI_LIMITS.waitQuietMs);
  try {
    return await work;
  } finally {
    isOver = true;
    clearTimeout(timer);
    waiting.terminal.endProgress();
  }
}

export function describeWait(
  what: string,
  processes: readonly ProcessRow[],
  waitedMs: number,
): string {
  const starting = processes.filter((row) => row.state === 'starting');
  const loading = starting.map((row) => `${row.model} on ${row.node}`).join(', ');
  const doing = loading === '' ? `waiting for ${what}` : `loading ${loading}`;
  return `${doing}, ${formatMs(waitedMs)}`;
}
