/**
 * Reports that wait to be sent, put together into as few messages as their bound allows.
 * A finish implies that the attempt was accepted, so it takes the place of that report.
 */
import type { AttemptRef, AttemptReport, FinishedAttempt, ProcessHeartbeat } from '@llmos/base';
import { attemptId } from './attempt';

export class ReportOutbox {
  private readonly accepted = new Map<string, AttemptRef>();
  private readonly finished = new Map<string, FinishedAttempt>();

  constructor(private readonly maxEntries: number) {}

  addAccepted(ref: AttemptRef): void {
    if (!this.finished.has(attemptId(ref))) this.accepted.set(attemptId(ref), ref);
  }

  addFinished(entry: FinishedAttempt): void {
    this.accepted.delete(attemptId(entry.ref));
    this.finished.set(attemptId(entry.ref), entry);
  }

  /** Everything that waits, as bounded reports; the outbox is empty afterwards. */
  take(heartbeat?: ProcessHeartbeat): AttemptReport[] {
    const accepted = slices([...this.accepted.values()], this.maxEntries);
    const finished = slices([...this.finished.values()], this.maxEntries);
    const reports: AttemptReport[] = [];
    for (let index = 0; index < Math.max(accepted.length, finished.length); index += 1) {
      reports.push({ accepted: accepted[index] ?? [], finished: finished[index] ?? [] });
    }
    if (heartbeat !== undefined) {
      const last = reports.pop() ?? { accepted: [], finished: [] };
      // A heartbeat has a message of its own where the other entries may fill one.
      const isSmall = last.accepted.length + last.finished.length <= this.maxEntries / 8;
      if (isSmall) reports.push({ ...last, heartbeat });
      else reports.push(last, { accepted: [], finished: [], heartbeat });
    }
    this.accepted.clear();
    this.finished.clear();
    return reports;
  }
}

function slices<Entry>(entries: readonly Entry[], size: number): Entry[][] {
  const parts: Entry[][] = [];
  for (let start = 0; start < entries.length; start += size) {
    parts.push(entries.slice(start, start + size));
  }
  return parts;
}
