/**
 * Lets through what the leader says, in its order, and nothing that another epoch is written on.
 * Of the receiver; `EpochGuard` (G1 … G3) judges, this file waits and reads.
 *
 * The leader's record is the kernel's to write, and the only word on who leads; a message's epoch is
 * a claim. Nobody is answered from here: whoever leads repeats what was not accepted, and whoever
 * does not has nothing to say.
 *
 * - L1: a message of an epoch that is not known waits until the record was read, and with it those
 *   of other unknown epochs that come meanwhile; they are judged in the order in which they came.
 * - L2: what the leader known so far says goes on meanwhile: a forged epoch stops nobody.
 * - L3: `onNews` comes before the first message of the new leader passes.
 * - L4: what waits is bounded, and so are the readings (G2): beyond, messages are refused.
 */
import type { Epoch } from '@llmos/base';
import type { EpochRefusal } from './epoch-guard';
import { EpochGuard } from './epoch-guard';
import { PROCESS_LIMITS } from './limits';

export interface EpochGateParts<Message> {
  /** Of the leader's record as the leader of its stream knows it; see EpochGuard.learn. */
  readonly readEpoch: () => Promise<Epoch | undefined>;
  readonly nowMs: () => number;
  readonly wait: (waitMs: number) => Promise<unknown>;
  readonly pass: (message: Message) => void;
  readonly refuse: (message: Message, of: { epoch: number; why: EpochRefusal }) => void;
  /** Another leader than before; its messages come after this call. */
  readonly onNews?: () => void;
  /** The record could not be read: nothing of another epoch is believed. */
  readonly onUnread: (error: unknown) => void;
}

interface Waiting<Message> {
  readonly epoch: number;
  readonly message: Message;
}

export class EpochGate<Message> {
  private readonly guard = new EpochGuard(PROCESS_LIMITS.epochLookMs);
  /** L1: set until the record was read. */
  private waiting: Waiting<Message>[] | undefined;
  private isClosed = false;

  constructor(private readonly parts: EpochGateParts<Message>) {}

  /** The leader's, as far as is known; 0 before the first one. */
  get epoch(): Epoch {
    return this.guard.epoch;
  }

  offer(epoch: number, message: Message): void {
    if (this.isClosed) return;
    const verdict = this.guard.judge(epoch);
    if (verdict === 'unknown') this.hold({ epoch, message });
    else this.conclude({ epoch, message }, verdict);
  }

  /** What waits is dropped. */
  close(): void {
    this.isClosed = true;
    this.waiting = undefined;
  }

  private hold(one: Waiting<Message>): void {
    if (this.waiting === undefined) {
      this.waiting = [one];
      void this.look();
    } else if (this.waiting.length < PROCESS_LIMITS.maxUnverified) {
      this.waiting.push(one);
    } else {
      // L4.
      this.parts.refuse(one.message, { epoch: one.epoch, why: 'unverified' });
    }
  }

  private async look(): Promise<void> {
    let epoch: Epoch | undefined;
    try {
      const lookInMs = this.guard.lookInMs(this.parts.nowMs());
      if (lookInMs > 0) await this.parts.wait(lookInMs);
      if (this.isClosed) return;
      epoch = await this.parts.readEpoch();
    } catch (error) {
      this.parts.onUnread(error);
    }
    const waiting = this.waiting ?? [];
    this.waiting = undefined;
    if (this.isClosed) return;
    // L3.
    if (this.guard.learn(epoch, this.parts.nowMs())) this.parts.onNews?.();
    for (const one of waiting) this.conclude(one, this.guard.settle(one.epoch));
  }

  private conclude(one: Waiting<Message>, verdict: 'current' | EpochRefusal): void {
    const { epoch, message } = one;
    if (this.isClosed) return;
    if (verdict === 'current') this.parts.pass(message);
    else this.parts.refuse(message, { epoch, why: verdict });
  }
}
