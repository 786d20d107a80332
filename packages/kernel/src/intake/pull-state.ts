/**
 * One pull request to a consumer: a permit to be given so many tasks. It ends when it is full, by a
 * status of the server, after its time, or where the server falls silent: one that hangs, or whose
 * successor leads the consumer, knows it no longer.
 *
 * Decides what follows from what is heard; whoever hears it carries that out. P1 At most one pull
 * of a permit is in flight. P2 What ends after it brought something, or in the usual way, is asked
 * for again at once; anything else (a deleted consumer, nobody there, another leader of the stream)
 * not at full speed.
 */

/** `wait`: it goes on. `again`: it is over, the next may be asked for. `later`: after a pause. */
export type PullStep = 'wait' | 'again' | 'later';

const HEARTBEAT = 100;
/** Nothing waits; its time is over. */
const USUAL_ENDS: ReadonlySet<number> = new Set([404, 408]);

export class PullState {
  /** Tasks that the pull in flight may still bring; 0: none is in flight. */
  private wanted = 0;
  private hasBrought = false;
  private heardAtMs = 0;

  constructor(private readonly silentMs: number) {}

  get isInFlight(): boolean {
    return this.wanted > 0;
  }

  begin(batch: number, nowMs: number): void {
    this.wanted = batch;
    this.hasBrought = false;
    this.heardAtMs = nowMs;
  }

  onMessage(nowMs: number): PullStep {
    if (this.wanted > 0) this.wanted -= 1;
    this.hasBrought = true;
    this.heardAtMs = nowMs;
    return this.wanted === 0 ? 'again' : 'wait';
  }

  onStatus(status: number, nowMs: number): PullStep {
    this.heardAtMs = nowMs;
    if (status === HEARTBEAT) return 'wait';
    this.wanted = 0;
    // What ends after it brought something was full, by bytes.
    return USUAL_ENDS.has(status) || this.hasBrought ? 'again' : 'later';
  }

  /** How long the server may still be silent; none: it is taken to have forgotten the pull. */
  silenceLeftMs(nowMs: number): number {
    return Math.max(0, this.silentMs - (nowMs - this.heardAtMs));
  }

  /** Nothing comes of it any more. */
  forget(): void {
    this.wanted = 0;
  }
}
