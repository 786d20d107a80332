/** What all parts of a simulated system share: time, chance, faults, and what went wrong. */
import type { Random } from '@llmos/base';
import type { Faults } from './scenario';
import { NO_FAULTS } from './scenario';
import type { ModelStore } from './model-store';
import type { VirtualTime } from './virtual-time';

export class World {
  readonly problems: string[] = [];
  readonly trace: string[] = [];
  /** Attempts that were given back. */
  preemptions = 0;
  /** Replicas as stored, for the next leader. */
  readonly desired = new Map<string, number>();
  faults: Faults;

  constructor(
    readonly time: VirtualTime,
    readonly random: Random,
    readonly store: ModelStore,
    readonly options: { readonly faults: Faults; readonly isTracing: boolean },
  ) {
    this.faults = options.faults;
  }

  log(line: () => string): void {
    if (!this.options.isTracing) return;
    this.trace.push(`${this.time.nowMs.toFixed(1).padStart(9)} ms  ${line()}`);
  }

  report(problem: string): void {
    this.problems.push(`at ${this.time.nowMs.toFixed(1)} ms: ${problem}`);
    this.log(() => `PROBLEM ${problem}`);
  }

  /** A message over core NATS: may be lost, late (and so out of order), or come twice. */
  send(deliver: () => void): void {
    const { random, faults, time } = this;
    if (random.chance(faults.dropRate)) return;
    const lateMs = random.chance(faults.lateRate) ? random.next() * 3_000 : 0;
    time.after(0.2 + random.next() * 3 + lateMs, deliver);
    if (random.chance(faults.doubleRate)) time.after(random.next() * 1_500, deliver);
  }

  stopFaults(): void {
    this.faults = NO_FAULTS;
    this.log(() => 'faults end');
  }
}
