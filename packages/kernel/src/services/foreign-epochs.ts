/** Counts what carried an epoch that no leader had, and was refused: for metrics and `info`. */
import type { KernelCounters } from '../ports/kernel-counters';

export interface ForeignSeen {
  readonly leaderRecords: number;
  readonly intakeConsumers: number;
}

export class ForeignEpochs {
  private leaderRecords = 0;
  private intakeConsumers = 0;

  constructor(private readonly counters: KernelCounters) {}

  /** Since this kernel was started. */
  seen(): ForeignSeen {
    return { leaderRecords: this.leaderRecords, intakeConsumers: this.intakeConsumers };
  }

  noteRecord(): void {
    this.leaderRecords += 1;
    this.counters.add('foreign_epochs', 'leader-record');
  }

  noteConsumer(): void {
    this.intakeConsumers += 1;
    this.counters.add('foreign_epochs', 'intake-consumer');
  }
}
