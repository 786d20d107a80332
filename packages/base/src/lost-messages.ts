/**
 * Tells of messages that were left out because they can't be read, or not sent because they can't
 * be: each is counted, and the log hears of the first at once and of the others together, at a
 * bounded rate. Whoever causes them must not fill the log.
 */
import type { Clock } from './clock';
import { GUARD_LIMITS } from './limits';
import type { LogFields, Logger } from './logger';
import { PacedTelling } from './paced-telling';

export interface LostMessage {
  readonly subject: string;
  readonly reason: string;
}

export type OnLost = (message: LostMessage) => void;
/** Of a message that came. */
export type OnSkipped = OnLost;
/** Of a message that was to go. */
export type OnUnsent = OnLost;

export interface LostMessagesOptions {
  readonly log: Logger;
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Called for each, as for a metric. */
  readonly onEach?: () => void;
}

abstract class LostMessages {
  private readonly telling: PacedTelling;

  constructor(protected readonly options: LostMessagesOptions) {
    const { clock } = options;
    this.telling = new PacedTelling({ clock, everyMs: GUARD_LIMITS.lostLogMs });
  }

  /** So far. */
  get count(): number {
    return this.telling.count;
  }

  /** Never throws. */
  readonly note: OnLost = ({ subject, reason }) => {
    this.options.onEach?.();
    const { maxTextChars } = GUARD_LIMITS;
    this.telling.note((messages) =>
      this.tell({
        subject: subject.slice(0, maxTextChars),
        reason: reason.slice(0, maxTextChars),
        messages,
      }),
    );
  };

  protected abstract tell(fields: LogFields): void;
}

export class SkippedMessages extends LostMessages {
  protected override tell(fields: LogFields): void {
    this.options.log.warn('message-skipped', fields);
  }
}

export class UnsentMessages extends LostMessages {
  protected override tell(fields: LogFields): void {
    this.options.log.warn('message-not-sent', fields);
  }
}
