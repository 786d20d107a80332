import type { AttemptRef, CancelReason, Epoch } from '@llmos/base';
import type { ProcessAddress } from '../kernel-decision';
import type { KernelEvent } from '../kernel-event';
import type { TaskSpec } from '../tasks/task-spec';

/**
 * Mailboxes and reports of processes. Core NATS both ways: any message may be lost, late or
 * doubled; the core repeats, and reports are repeated until confirmed.
 */
export interface ProcessLink {
  begin(epoch: Epoch, deliver: (event: KernelEvent) => void): void;
  end(): void;
  execute(of: {
    readonly to: ProcessAddress;
    readonly spec: TaskSpec;
    readonly attempt: number;
    /** Of the steady time that the core is given. */
    readonly deadlineWallMs: number;
    readonly body: Uint8Array | undefined;
  }): void;
  cancel(to: ProcessAddress, attempt: AttemptRef, reason: CancelReason): void;
  preempt(to: ProcessAddress, attempt: AttemptRef): void;
  confirm(to: ProcessAddress, attempts: readonly AttemptRef[]): void;
  greet(to: ProcessAddress): void;
}
