/** A runner with a mailbox of its own, as a process gives it one; for tests. */
import { systemClock } from '@llmos/base';
import type { Attempt, AttemptHandler, AttemptRunner, HandlerAnswer } from '@llmos/process';
import { GIVEN_BACK, Mailbox, TenantTurns } from '@llmos/process';

export interface MailboxDriver {
  /** The attempt waits in the mailbox until the runner takes it, or it is withdrawn. */
  readonly handle: AttemptHandler;
  readonly mailbox: Mailbox;
}

export function driveRunner(runner: AttemptRunner): MailboxDriver {
  const mailbox = new Mailbox(1_000, new TenantTurns());
  runner.serve(mailbox);
  const handle = (attempt: Attempt): Promise<HandlerAnswer> =>
    new Promise((resolve) => {
      const waiting = mailbox.enqueue(attempt, systemClock.nowMs(), resolve);
      attempt.signal.addEventListener('abort', () => mailbox.withdraw(waiting, CANCELLED));
      attempt.preemption.addEventListener('abort', () => mailbox.withdraw(waiting, GIVEN_BACK));
      runner.wake();
    });
  return { handle, mailbox };
}

const CANCELLED: HandlerAnswer = {
  kind: 'failed',
  error: { code: 'CANCELLED', retryable: false, message: 'cancelled before it ran' },
};
