/** Drops a share of mailbox and report messages, for tests of the whole system only. */
import type { AttemptRef, CancelReason, Epoch, Random } from '@llmos/base';
import type { ProcessAddress } from '../../kernel-decision';
import type { KernelEvent } from '../../kernel-event';
import type { KernelCounters } from '../../ports/kernel-counters';
import type { ProcessLink } from '../../ports/process-link';

export class LossyProcessLink implements ProcessLink {
  constructor(
    private readonly options: {
      readonly inner: ProcessLink;
      readonly dropRate: number;
      readonly random: Random;
      readonly counters: KernelCounters;
    },
  ) {}

  begin(epoch: Epoch, deliver: (event: KernelEvent) => void): void {
    this.options.inner.begin(epoch, (event) => this.unlessLost(() => deliver(event)));
  }

  end(): void {
    this.options.inner.end();
  }

  execute(of: Parameters<ProcessLink['execute']>[0]): void {
    this.unlessLost(() => this.options.inner.execute(of));
  }

  cancel(to: ProcessAddress, attempt: AttemptRef, reason: CancelReason): void {
    this.unlessLost(() => this.options.inner.cancel(to, attempt, reason));
  }

  preempt(to: ProcessAddress, attempt: AttemptRef): void {
    this.unlessLost(() => this.options.inner.preempt(to, attempt));
  }

  confirm(to: ProcessAddress, attempts: readonly AttemptRef[]): void {
    this.unlessLost(() => this.options.inner.confirm(to, attempts));
  }

  greet(to: ProcessAddress): void {
    this.unlessLost(() => this.options.inner.greet(to));
  }

  private unlessLost(act: () => void): void {
    if (this.options.random.chance(this.options.dropRate)) {
      this.options.counters.add('messages_lost_on_purpose');
    } else act();
  }
}
