/** The process's line to whoever leads: commands come in, reports go out. Both may be lost. */
import type { AttemptRef, AttemptSpec, StopReason } from '../attempt';
import type { Report } from '../report-outbox';

export type MailboxCommand =
  | { readonly kind: 'execute'; readonly spec: AttemptSpec }
  | { readonly kind: 'cancel'; readonly attempt: AttemptRef; readonly reason: StopReason }
  | { readonly kind: 'preempt'; readonly attempt: AttemptRef }
  | { readonly kind: 'confirm'; readonly attempts: readonly AttemptRef[] }
  | { readonly kind: 'hello' };

export interface MailboxMessage {
  readonly epoch: number;
  readonly incarnation: number;
  readonly command: MailboxCommand;
}

export interface MailboxLink {
  /** Resolves once messages arrive. What can't be read is dropped and logged, never thrown. */
  open(deliver: (message: MailboxMessage) => void): Promise<void>;
  /** Fire and forget. */
  send(report: Report): void;
  close(): void;
}
