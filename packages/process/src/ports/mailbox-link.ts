/** The process's line to whoever leads: commands come in, reports go out. Both may be lost. */
import type { AttemptReport, MailboxMessage } from '@llmos/base';

export interface MailboxLink {
  /** Resolves once messages arrive. What can't be read is dropped and logged, never thrown. */
  open(deliver: (message: MailboxMessage) => void): Promise<void>;
  /** Fire and forget. */
  send(report: AttemptReport): void;
  close(): void;
}
