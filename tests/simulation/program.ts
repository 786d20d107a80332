/**
 * Machines and the programs on them. A machine has a wall clock of its own, which may be wrong and
 * jump, and it may stand still for a while. A program has the machine's clocks and timers for as
 * long as it runs: nothing that it waited for happens after its end.
 */
import type { CancelTimer, Clock, Timers } from '@llmos/base';
import type { VirtualTime } from './virtual-time';

export class Machine {
  private standsUntilMs = 0;
  private wallAheadMs = 0;

  /** @param bootedMs how long before the run it was switched on. */
  constructor(
    readonly time: VirtualTime,
    private readonly bootedMs: number,
  ) {}

  nowMs(): number {
    return this.time.nowMs + this.bootedMs;
  }

  wallMs(): number {
    return this.time.wallMs() + this.wallAheadMs;
  }

  /** Its wall clock jumps: so much ahead of the right time it is from now on. */
  setWallClock(aheadMs: number): void {
    this.wallAheadMs = aheadMs;
  }

  standStill(forMs: number): void {
    this.standsUntilMs = this.time.nowMs + forMs;
  }

  /** Runs it now, or as soon as the machine goes on. */
  whenAwake(run: () => void): void {
    const restMs = this.standsUntilMs - this.time.nowMs;
    if (restMs > 0) this.time.after(restMs, () => this.whenAwake(run));
    else run();
  }
}

export class Program implements Clock, Timers {
  isRunning = true;

  constructor(readonly machine: Machine) {}

  end(): void {
    this.isRunning = false;
  }

  nowMs(): number {
    return this.machine.nowMs();
  }

  wallMs(): number {
    return this.machine.wallMs();
  }

  /** Something came in: it is seen once the machine is awake, by a program that still runs. */
  hear(run: () => void): void {
    if (!this.isRunning) return;
    this.machine.whenAwake(() => {
      if (this.isRunning) run();
    });
  }

  after(delayMs: number, run: () => void): CancelTimer {
    let isCancelled = false;
    const cancel = this.machine.time.after(delayMs, () =>
      this.hear(() => {
        if (!isCancelled) run();
      }),
    );
    return () => {
      isCancelled = true;
      cancel();
    };
  }

  every(periodMs: number, run: () => void): CancelTimer {
    let cancel: CancelTimer = () => undefined;
    const plan = (): void => {
      cancel = this.after(periodMs, () => {
        plan();
        run();
      });
    };
    plan();
    return () => cancel();
  }

  soon(run: () => void): CancelTimer {
    return this.after(0, run);
  }
}
