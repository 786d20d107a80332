/** Finds the texts that end a generation, also where a token's border runs through one. */
export interface StopOutcome {
  /** Text that can be given out now. */
  readonly text: string;
  readonly isStopped: boolean;
}

export class StopStrings {
  /** The end of the text so far, as long as it may be the beginning of a stop text. */
  private held = '';

  constructor(private readonly stops: readonly string[]) {}

  /** Once it has stopped, the text is what stands before the stop text that occurs first. */
  push(text: string): StopOutcome {
    if (this.stops.length === 0) return { text, isStopped: false };
    const whole = this.held + text;
    const places = this.stops.map((stop) => whole.indexOf(stop)).filter((place) => place >= 0);
    if (places.length > 0) {
      this.held = '';
      return { text: whole.slice(0, Math.min(...places)), isStopped: true };
    }
    const heldLength = Math.max(0, ...this.stops.map((stop) => sharedLength(whole, stop)));
    this.held = whole.slice(whole.length - heldLength);
    return { text: whole.slice(0, whole.length - heldLength), isStopped: false };
  }

  /** The last text: what can be given out of it and of what was held back. */
  flushAfter(text: string): string {
    const outcome = this.push(text);
    return outcome.isStopped ? outcome.text : outcome.text + this.flush();
  }

  /** What was held back, at the end of the text. */
  flush(): string {
    const text = this.held;
    this.held = '';
    return text;
  }
}

/** How long an end of the text is that is a beginning of the stop text. */
function sharedLength(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length -= 1) {
    if (text.endsWith(stop.slice(0, length))) return length;
  }
  return 0;
}
