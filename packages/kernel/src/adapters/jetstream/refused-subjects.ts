/** Tells of tasks whose subject is refused: each is counted, and the log has few lines of them. */
import type { Logger } from '@llmos/base';
import { GUARD_LIMITS, PacedTelling, systemClock } from '@llmos/base';
import type { KernelCounters } from '../../ports/kernel-counters';

export class RefusedSubjects {
  private readonly telling = new PacedTelling({
    clock: systemClock,
    everyMs: GUARD_LIMITS.lostLogMs,
  });

  constructor(
    private readonly options: { readonly log: Logger; readonly counters: KernelCounters },
  ) {}

  note(subject: string): void {
    const { log, counters } = this.options;
    counters.add('tasks_malformed');
    const quoted = subject.slice(0, GUARD_LIMITS.maxTextChars);
    this.telling.note((count) => log.warn('task-subject-refused', { subject: quoted, count }));
  }
}
