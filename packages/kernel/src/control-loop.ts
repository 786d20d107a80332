/**
 * Collect → apply → plan → carry out. A tick starts as soon as an event waits, and takes in so many
 * events as a few milliseconds allow: between two ticks the network is read, and the lease renewed.
 *
 * Tasks from the stream stand in a line of their own, behind everything else and for a share of
 * each tick only: however many one tenant has stored, what the others' tasks need next waits for
 * none of them.
 *
 * Events that arrive in one turn of Node's event loop are taken together; a timer runs only for
 * the core's own wake-up. A loop that was held up (a paused machine) first hears what came in
 * meanwhile: the core judges nodes and processes by their silence, and this silence was its own.
 * While the lease has lapsed, events wait; once it is regained all of them are applied before the
 * core judges.
 * Whatever throws in here ends the leadership: a core that failed once is never trusted again, and
 * the next leader rebuilds everything from the streams.
 */
import type { CancelTimer, Clock, Instant, Timers } from '@llmos/base';
import { Fifo, readClock } from '@llmos/base';
import { EDGE_LIMITS } from './edge-limits';
import type { KernelCore } from './core';
import type { KernelDecision } from './kernel-decision';
import type { KernelEvent } from './kernel-event';
import type { KernelCounters } from './ports/kernel-counters';

export interface ControlLoopOptions {
  readonly core: KernelCore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: KernelCounters;
  /** Must not wait; answers come back through `deliver`. */
  readonly carryOut: (decision: KernelDecision) => void;
  /** Called after each tick, with its counts. */
  readonly afterTick: () => void;
  /** False: the lease has lapsed; `suspend` says so too, a moment later perhaps. */
  readonly isLeading: () => boolean;
  /** Called once; nothing is applied or carried out after it. */
  readonly onFailure: (error: unknown) => void;
}

/** Between two looks at the clock. */
const EVENTS_PER_LOOK = 32;

export class ControlLoop {
  private readonly events = new Fifo<KernelEvent>();
  /** Tasks from the stream. */
  private readonly intake = new Fifo<KernelEvent>();
  private first: KernelEvent | undefined;
  private state: 'held' | 'running' | 'suspended' | 'ended' = 'held';
  /** Events that waited for the lease are not all applied yet. */
  private isBehind = false;
  private isTickDue = false;
  /** The tick that is due waits for the timer. */
  private isCatchingUp = false;
  private wasLong = false;
  private cancelTimer: CancelTimer = () => undefined;
  /** When the core wants its next tick, where a timer runs for it. */
  private wakeAtMs = Number.POSITIVE_INFINITY;

  constructor(private readonly options: ControlLoopOptions) {}

  /** The first event of the core, before everything that was delivered meanwhile. */
  start(first: KernelEvent): void {
    if (this.state !== 'held') return;
    this.state = 'running';
    this.first = first;
    this.wake();
  }

  deliver(event: KernelEvent): void {
    this.add(this.events, event);
  }

  /** A task from the stream, in its order. */
  deliverIntake(event: KernelEvent): void {
    this.add(this.intake, event);
  }

  /** Events wait until `resume`. */
  suspend(): void {
    if (this.state !== 'running') return;
    this.state = 'suspended';
    this.cancelTimer();
    // Without its timer that tick would be due for ever, and no other one would begin.
    if (this.isCatchingUp) this.isTickDue = this.isCatchingUp = false;
  }

  resume(): void {
    if (this.state !== 'suspended') return;
    this.state = 'running';
    this.isBehind = true;
    this.wakeAtMs = Number.POSITIVE_INFINITY;
    this.wake();
  }

  /** Events that no tick has taken yet. */
  get backlog(): number {
    return this.events.size + this.intake.size;
  }

  isFull(): boolean {
    return this.backlog >= EDGE_LIMITS.maxQueuedEvents;
  }

  end(): void {
    this.state = 'ended';
    this.events.takeAll();
    this.intake.takeAll();
    this.cancelTimer();
  }

  private add(line: Fifo<KernelEvent>, event: KernelEvent): void {
    if (this.state === 'ended') return;
    line.push(event);
    if (this.state === 'running') this.wake();
  }

  private wake(): void {
    if (this.isTickDue) return;
    this.isTickDue = true;
    // After the messages that arrived together, before anything else waits. After a long turn the
    // next one lets everything else go first: messages come by the hundreds in one go, and with a
    // long turn behind each of them no timer would run for seconds.
    if (this.wasLong) this.options.timers.soon(() => this.tick());
    else queueMicrotask(() => this.tick());
  }

  private tick(): void {
    this.isTickDue = this.isCatchingUp = false;
    if (this.state !== 'running') return;
    try {
      this.turn();
    } catch (error) {
      this.end();
      this.options.onFailure(error);
    }
  }

  private turn(): void {
    const { core, clock, counters, carryOut } = this.options;
    if (!this.options.isLeading()) return this.suspend();
    const now = readClock(clock);
    if (now.nowMs - this.wakeAtMs > EDGE_LIMITS.heldUpMs) return this.catchUp();
    const count = this.applyEvents(now);
    this.isBehind &&= this.events.size > 0;
    const decisions = this.isBehind ? [] : core.plan(now);
    for (const decision of decisions) carryOut(decision);
    counters.add('ticks');
    counters.add('events', undefined, count);
    this.options.afterTick();
    this.wasLong = clock.nowMs() - now.nowMs > EDGE_LIMITS.longTurnMs;
    this.scheduleNext(now.nowMs);
  }

  /** The network is read between this turn and the next. */
  private catchUp(): void {
    this.wakeAtMs = Number.POSITIVE_INFINITY;
    this.isTickDue = this.isCatchingUp = true;
    this.cancelTimer();
    this.cancelTimer = this.options.timers.after(EDGE_LIMITS.catchUpMs, () => this.tick());
  }

  /** At least some of each line, whatever the clock says; the rest waits for the next tick. */
  private applyEvents(now: Instant): number {
    const first = this.first === undefined ? 0 : 1;
    if (this.first !== undefined) this.options.core.apply(this.first, now);
    this.first = undefined;
    const urgent = this.applyLine(this.events, now, EDGE_LIMITS.applyMs);
    const intake = this.applyLine(this.intake, now, EDGE_LIMITS.applyIntakeMs);
    return first + urgent + intake;
  }

  private applyLine(line: Fifo<KernelEvent>, now: Instant, forMs: number): number {
    const { core, clock } = this.options;
    const untilMs = clock.nowMs() + forMs;
    const most = Math.min(line.size, EDGE_LIMITS.maxEventsPerTick);
    let count = 0;
    while (count < most) {
      const event = line.take();
      count += 1;
      if (event !== undefined) core.apply(event, now);
      if (count % EVENTS_PER_LOOK === 0 && clock.nowMs() >= untilMs) break;
    }
    return count;
  }

  private scheduleNext(nowMs: number): void {
    if (this.state !== 'running') return;
    this.cancelTimer();
    this.wakeAtMs = Number.POSITIVE_INFINITY;
    if (this.isTickDue) return;
    if (this.backlog > 0) {
      // More than one tick's worth: let the network be served in between.
      this.isTickDue = true;
      this.options.timers.soon(() => this.tick());
      return;
    }
    const wakeAtMs = this.options.core.nextWakeMs();
    if (wakeAtMs === undefined) return;
    const waitMs = Math.min(Math.max(0, wakeAtMs - nowMs), EDGE_LIMITS.maxTimerMs);
    this.wakeAtMs = nowMs + waitMs;
    this.cancelTimer = this.options.timers.after(waitMs, () => this.wake());
  }
}
