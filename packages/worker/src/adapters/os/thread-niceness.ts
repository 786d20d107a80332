/**
 * How far the calling thread stands behind others of the machine. Linux only; elsewhere nothing is
 * done.
 *
 * Node.js knows priorities of processes only, but on Linux the call takes the id of any thread.
 * Threads that this one starts from then on stand as far behind: call it before a session is made,
 * and those of the session do.
 */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

/** Answers whether it does now. @param niceness 0 (not at all) to 19. */
export function standBehind(niceness: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    // `<process>/task/<thread>`
    const threadId = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    setPriority(threadId, niceness);
    return true;
  } catch {
    // A sandbox without /proc, or one that refuses the call: models run as urgent as all else.
    return false;
  }
}
