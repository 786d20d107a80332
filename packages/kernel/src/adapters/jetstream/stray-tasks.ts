/**
 * Tasks that no consumer is given: a server stores a subject with `>` as one of its tokens, but
 * matches it by no filter of ours. The leader looks for them and ends them; otherwise they would
 * lie in the work queue for ever.
 *
 * It asks for the list of subjects only while that is short (see listSubjects). Then only those are
 * found that the skipped tasks' walk meets, which finds them by counting. One whose end failed is
 * remembered, and ended at the next look, whoever came upon it.
 */
import type { Logger } from '@llmos/base';
import { STREAMS } from '@llmos/base';
import { describeApiError, readNext } from '@llmos/wire';
import type { JetStreamManager, StoredMsg } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { deleteMessage } from './message-deletion';
import { listSubjects } from './subject-list';

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
  /** Those whose end failed, by sequence. */
  private readonly failed = new Map<number, StrayTask>();

  constructor(private readonly options: StrayTasksOptions) {}

  begin(): void {
    void this.run();
  }

  end(): void {
    this.isEnded = true;
    clearTimeout(this.timer);
  }

  /** As many are known, and will be ended. */
  get pending(): number {
    return this.ending.size + this.failed.size;
  }

  /** Ends what someone else came upon, without being waited for; false where it is no stray one. */
  take(stored: StrayTask): boolean {
    if (this.isEnded || !isStray(stored.subject)) return false;
    // Whoever comes upon it once more tries again.
    if (this.pending >= EDGE_LIMITS.maxStrayReads) return true;
    this.endOne(stored).catch((error: unknown) => this.tellFailed(error));
    return true;
  }

  private async endOne({ subject, seq, time }: StrayTask): Promise<void> {
    const { manager, onStray } = this.options;
    if (this.ending.has(seq)) return;
    this.failed.delete(seq);
    this.ending.add(seq);
    try {
      await onStray({ subject, seq, time });
      await deleteMessage(manager, { stream: STREAMS.tasks, sequence: seq });
    } catch (error) {
      this.failed.set(seq, { subject, seq, time });
      throw error;
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
    for (const stray of [...this.failed.values()]) {
      if (this.isEnded) return;
      await this.endOne(stray).catch((error: unknown) => this.tellFailed(error));
    }
    // The server can't be asked for one of these subjects: it reads each as a pattern.
    let left = await this.count();
    for (let reads = 0; left > 0 && reads < EDGE_LIMITS.maxStrayReads; reads += 1) {
      if (this.isEnded) return;
      const from = { sequence: this.nextSequence };
      const stored = await readNext(this.options.manager, STREAMS.tasks, from);
      this.nextSequence = stored === undefined ? 1 : stored.seq + 1;
      if (stored === undefined) return;
      if (!isStray(stored.subject)) continue;
      await this.endOne(stored);
      left -= 1;
    }
    if (left === 0) this.nextSequence = 1;
  }

  /** None where there are too many subjects to ask. */
  private async count(): Promise<number> {
    const { manager, log } = this.options;
    const filters = ['>'];
    const most = EDGE_LIMITS.maxListedSubjects;
    const list = await listSubjects(manager, { stream: STREAMS.tasks, filters, most });
    const wasLong = this.isListLong;
    this.isListLong = list.kind === 'too-many';
    if (list.kind === 'too-many') {
      if (!wasLong && !this.isEnded) log.info('stray-list-long', { subjects: list.subjects });
      return 0;
    }
    let strays = 0;
    for (const [subject, count] of list.counts) strays += isStray(subject) ? count : 0;
    return strays;
  }
}

function isStray(subject: string): boolean {
  return subject.split('.').includes('>');
}
