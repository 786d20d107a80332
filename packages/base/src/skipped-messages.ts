/**
 * Tells of messages that were left out because they can't be read: each is counted, and the log
 * hears of the first at once and of the others together, at a bounded rate. Whoever sends them
 * must not fill the log.
 */
import type { Clock } from './clock';
import { GUARD_LIMITS } from './limits';
import type { Logger } from './logger';

export interface SkippedMessage {
  readonly subject: string;
  readonly reason: string;
}

export type OnSkipped = (message: SkippedMessage) => void;

export interface SkippedMessagesOptions {
  readonly log: Logger;
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Called for each, as for a metric. */
  readonly onSkipped?: () => void;
}

export class SkippedMessages {
  /** So far. */
  count = 0;
  private told = 0;
  private toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: SkippedMessagesOptions) {}

  readonly note: OnSkipped = ({ subject, reason }) => {
    const { log, clock, onSkipped } = this.options;
    this.count += 1;
    onSkipped?.();
    const nowMs = clock.nowMs();
    if (nowMs - this.toldAtMs < GUARD_LIMITS.skippedLogMs) return;
    const { maxTextChars } = GUARD_LIMITS;
    log.warn('message-skipped', {
      subject: subject.slice(0, maxTextChars),
      reason: reason.slice(0, maxTextChars),
      messages: this.count - this.told,
    });
    this.told = this.count;
    this.toldAtMs = nowMs;
  };
}
