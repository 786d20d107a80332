/** The record that a running `llmos up` leaves in its state folder, so that commands find it. */
import { parseStoredRecord } from '../stored-record';

export interface RunningSystemRecord {
  readonly version: 1;
  readonly state: 'starting' | 'ready';
  readonly osPid: number;
  /** When the process began, as the system tells it: a reused pid has another. May be empty. */
  readonly startMark: string;
  /** Empty while starting. */
  readonly natsUrl: string;
  readonly kernelUrl: string;
}

/** undefined for whatever is not such a record. */
export function parseRunningSystem(text: string): RunningSystemRecord | undefined {
  const value = parseStoredRecord(text);
  if (value === undefined) return undefined;
  const { state, osPid, startMark, natsUrl, kernelUrl } = value;
  if (state !== 'starting' && state !== 'ready') return undefined;
  if (typeof osPid !== 'number' || !Number.isInteger(osPid) || osPid < 1) return undefined;
  const texts = [startMark, natsUrl, kernelUrl];
  if (!texts.every((part) => typeof part === 'string')) return undefined;
  return {
    version: 1,
    state,
    osPid,
    startMark: String(startMark),
    natsUrl: String(natsUrl),
    kernelUrl: String(kernelUrl),
  };
}
