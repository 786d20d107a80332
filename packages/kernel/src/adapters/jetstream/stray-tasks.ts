/**
 * Tasks that no consumer is given: a server stores a subject with `>` as one of its tokens, but
 * matches it by no filter of ours. The leader looks for them and ends them; otherwise they would
 * lie in the work queue for ever.
 */
import type { Logger } from '@llmos/base';
import { STREAMS } from '@llmos/base';
import { describeApiError, readNext } from '@llmos/wire';
import type { JetStreamManager, StoredMsg } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import { deleteMessage } from './message-deletion';

export interface StrayTasksOptions {
  readonly manager: JetStreamManager;
  readonly log: Logger;
  /** Ends one; it is removed from the stream afterwards. */
  readonly onStray: (stored: StoredMsg) => Promise<void>;
}

export class StrayTasks {
  private timer: NodeJS.Timeout | undefined;
  private isEnded = false;
  /** Where the next look goes on; a long queue takes several. */
  private nextSequence = 1;

  constructor(private readonly options: StrayTasksOptions) {}

  begin(): void {
    void this.run();
  }

  end(): void {
    this.isEnded = true;
    clearTimeout(this.timer);
  }

  private async run(): Promise<void> {
    try {
      await this.look();
    } catch (error) {
      const reason = describeApiError(error);
      if (!this.isEnded) this.options.log.debug('stray-look-failed', { reason });
    }
    if (this.isEnded) return;
    this.timer = setTimeout(() => void this.run(), EDGE_LIMITS.strayLookMs);
  }

  private async look(): Promise<void> {
    const { manager, onStray } = this.options;
    // The server can't be asked for one of these subjects: it reads each as a pattern.
    let left = await this.count();
    for (let reads = 0; left > 0 && reads < EDGE_LIMITS.maxStrayReads; reads += 1) {
      if (this.isEnded) return;
      const stored = await readNext(manager, STREAMS.tasks, { sequence: this.nextSequence });
      this.nextSequence = stored === undefined ? 1 : stored.seq + 1;
      if (stored === undefined) return;
      if (!isStray(stored.subject)) continue;
      await onStray(stored);
      await deleteMessage(manager, { stream: STREAMS.tasks, sequence: stored.seq });
      left -= 1;
    }
    if (left === 0) this.nextSequence = 1;
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
