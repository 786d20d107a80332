/**
 * Tasks that no consumer is given: a server stores a subject with `>` as one of its tokens, but
 * matches it by no filter of ours. The leader looks for them and ends them; otherwise they would
 * lie in the work queue for ever.
 *
 * It asks for the list of subjects only while that is short: of a million, the server makes it for
 * a minute, and it takes 260 MB here. Then only those are found that the skipped tasks' walk meets,
 * which finds them by counting.
 */
import type { Logger } from '@llmos/base';
import { STREAMS } from '@llmos/base';
import { describeApiError, readNext } from '@llmos/wire';
import type { JetStreamManager, StoredMsg } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { deleteMessage } from './message-deletion';

export interface StrayTasksOptions {
  readonly manager: JetStreamManager;
  readonly log: Logger;
  /** Ends one; it is removed from the stream afterwards. */
  readonly onStray: (stray: StrayTask) => Promise<void>;
}

/** Without its body: as many may wait for their end as one look meets. */
export type StrayTask = Pick<StoredMsg, 'subject' | 'seq' | 'time'>;

export class StrayTasks {
  private timer: NodeJS.Timeout | undefined;
  private isEnded = false;
  /** Where the next look goes on; a long queue takes several. */
  private nextSequence = 1;
  private isListLong = false;
  /** Sequences of those that are being ended. */
  private readonly ending = new Set<number>();

  constructor(private readonly options: StrayTasksOptions) {}

  begin(): void {
    void this.run();
  }

  end(): void {
    this.isEnded = true;
    clearTimeout(this.timer);
  }

  /** Ends what someone else came upon, without being waited for; false where it is no stray one. */
  take(stored: StrayTask): boolean {
    if (this.isEnded || !isStray(stored.subject)) return false;
    // Whoever comes upon it once more tries again.
    if (this.ending.size >= EDGE_LIMITS.maxStrayReads) return true;
    this.endOne(stored).catch((error: unknown) => this.tellFailed(error));
    return true;
  }

  private async endOne({ subject, seq, time }: StrayTask): Promise<void> {
    const { manager, onStray } = this.options;
    if (this.ending.has(seq)) return;
    this.ending.add(seq);
    try {
      await onStray({ subject, seq, time });
      await deleteMessage(manager, { stream: STREAMS.tasks, sequence: seq });
    } finally {
      this.ending.delete(seq);
    }
  }

  private async run(): Promise<void> {
    try {
      await this.look();
    } catch (error) {
      this.tellFailed(error);
    }
    if (this.isEnded) return;
    this.timer = setTimeout(() => void this.run(), EDGE_LIMITS.strayLookMs);
  }

  private tellFailed(error: unknown): void {
    if (this.isEnded) return;
    this.options.log.debug('stray-look-failed', { reason: describeApiError(error) });
  }

  private async look(): Promise<void> {
    const { manager } = this.options;
    if (!(await this.mayList())) return;
    // The server can't be asked for one of these subjects: it reads each as a pattern.
    let left = await this.count();
    for (let reads = 0; left > 0 && reads < EDGE_LIMITS.maxStrayReads; reads += 1) {
      if (this.isEnded) return;
      const stored = await readNext(manager, STREAMS.tasks, { sequence: this.nextSequence });
      this.nextSequence = stored === undefined ? 1 : stored.seq + 1;
      if (stored === undefined) return;
      if (!isStray(stored.subject)) continue;
      await this.endOne(stored);
      left -= 1;
    }
    if (left === 0) this.nextSequence = 1;
  }

  private async mayList(): Promise<boolean> {
    const { manager, log } = this.options;
    const { state } = await manager.streams.info(STREAMS.tasks);
    const subjects = state.num_subjects ?? 0;
    const wasLong = this.isListLong;
    this.isListLong = subjects > EDGE_LIMITS.maxListedSubjects;
    if (this.isListLong && !wasLong && !this.isEnded) log.info('stray-list-long', { subjects });
    return !this.isListLong;
  }

  private async count(): Promise<number> {
    const { manager } = this.options;
    const { state } = await manager.streams.info(STREAMS.tasks, { subjects_filter: '>' });
    const counts = Object.entries(state.subjects ?? {});
    return counts.reduce((sum, [subject, count]) => sum + (isStray(subject) ? count : 0), 0);
  }
}

function isStray(subject: string): boolean {
  return subject.split('.').includes('>');
}
