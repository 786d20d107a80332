/** A command that was written wrongly: exit code 2, and no use in trying again. */
import { LlmosError } from '@llmos/base';

export class UsageError extends LlmosError {
  constructor(message: string) {
    super('INVALID_ARGUMENT', message);
    this.name = 'UsageError';
  }
}

/** What is wrong was printed as the answer of the command: only its exit code says more. */
export class ReportedFailure extends Error {}

/** Nobody takes the output any more: why the signal of a host was aborted then. */
export class OutputClosed extends Error {}

export const EXIT_CODES = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;
