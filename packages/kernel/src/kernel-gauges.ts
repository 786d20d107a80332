/** What a kernel shows of itself at the moment. */
import type { ClockReading, NodeRow, ProcessRow } from '@llmos/base';
import type { CoreCounts } from './core';
import type { ModelLoad } from './scheduling/model-loads';
import type { StreamReadings } from './ports/stream-readings';

export interface KernelGauges {
  readonly counts: () => CoreCounts | undefined;
  readonly isLeading: () => boolean;
  readonly epoch: () => number;
  readonly waitingCalls: () => number;
  readonly attachedReaders: () => number;
  /** Empty while this kernel does not lead. */
  readonly processes: () => readonly ProcessRow[];
  readonly models: () => readonly ModelLoad[];
  readonly nodes: () => readonly NodeRow[];
  readonly streams: StreamReadings;
  readonly clock: () => ClockReading;
}
