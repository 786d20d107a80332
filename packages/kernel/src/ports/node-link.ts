import type { Epoch, ModelRegistration, Target } from '@llmos/base';
import type { ProcessAddress } from '../kernel-decision';
import type { KernelEvent } from '../kernel-event';

/**
 * The streams that node agents hold open to the leader. Commands to a node that is not attached
 * are dropped: the core learns of it by `node-detached` and starts over when it attaches again.
 */
export interface NodeLink {
  /** While no leadership is active, agents are answered `not leader`. */
  begin(epoch: Epoch, deliver: (event: KernelEvent) => void): void;
  end(): void;
  startProcess(of: {
    readonly to: ProcessAddress;
    readonly target: Target;
    readonly registration: ModelRegistration | undefined;
    readonly device: string;
    readonly reservedBytes: number;
  }): void;
  stopProcess(to: ProcessAddress, graceMs: number): void;
}
