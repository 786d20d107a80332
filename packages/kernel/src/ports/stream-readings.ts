import type { IntakeRow, StreamLoad } from '@llmos/base';

export interface StreamReading {
  readonly streams: readonly StreamLoad[];
  readonly intake: readonly IntakeRow[];
}

/** How full the streams are and how far intake lags; a reading is at most seconds old. */
export interface StreamReadings {
  /** Never rejects; empty where JetStream does not answer. */
  read(): Promise<StreamReading>;
  /** One stream as it is now. Never rejects; undefined where JetStream does not answer. */
  loadOf(stream: string): Promise<StreamLoad | undefined>;
}
