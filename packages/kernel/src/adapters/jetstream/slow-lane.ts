/**
 * Messages that nobody waits for (acknowledgements, confirmations, events), sent together after a
 * few milliseconds: each write to the socket costs more than all that the kernel thinks about a
 * task. They stay in order among themselves; what is urgent overtakes them.
 */
import type { CancelTimer, Timers } from '@llmos/base';
import type { NatsConnection } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';

interface SlowMessage {
  readonly subject: string;
  readonly body: Uint8Array;
}

const NOTHING = new Uint8Array(0);

export class SlowLane {
  private waiting: SlowMessage[] = [];
  private cancelTimer: CancelTimer | undefined;

  constructor(
    private readonly connection: NatsConnection,
    private readonly timers: Timers,
  ) {}

  push(subject: string, body: Uint8Array = NOTHING): void {
    this.waiting.push({ subject, body });
    if (this.waiting.length >= EDGE_LIMITS.maxSlowMessages) this.flush();
    else this.cancelTimer ??= this.timers.after(EDGE_LIMITS.slowLaneMs, () => this.flush());
  }

  /** Sends what waits; where the connection is closed, all of it is lost, as it may be. */
  flush(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    const messages = this.waiting;
    this.waiting = [];
    for (const { subject, body } of messages) this.connection.publish(subject, body);
  }
}
