/** What a host writes: passed on line by line, within bounds, and its end kept. */
import { AGENT_LIMITS } from '../limits';

export interface OutputTailParts {
  readonly nowMs: () => number;
  readonly onLine: (line: string) => void;
}

export class OutputTail {
  private rest = '';
  private last = '';
  private windowAtMs = -Infinity;
  private windowLines = 0;
  private droppedLines = 0;

  constructor(private readonly parts: OutputTailParts) {}

  add(text: string): void {
    this.last = (this.last + text).slice(-AGENT_LIMITS.hostTailChars);
    const lines = (this.rest + text).split('\n');
    this.rest = (lines.pop() ?? '').slice(0, AGENT_LIMITS.hostLineChars);
    for (const line of lines) this.pass(line);
  }

  /** Nothing comes any more: a last line without an end is passed on as it is. */
  end(): string {
    if (this.rest !== '') this.pass(this.rest);
    this.rest = '';
    return this.last.trim();
  }

  private pass(line: string): void {
    const nowMs = this.parts.nowMs();
    if (nowMs - this.windowAtMs >= 1000) {
      const { droppedLines } = this;
      this.windowAtMs = nowMs;
      this.windowLines = 0;
      this.droppedLines = 0;
      if (droppedLines > 0) this.parts.onLine(`(${droppedLines} lines dropped)`);
    }
    this.windowLines += 1;
    if (this.windowLines > AGENT_LIMITS.hostLinesPerSecond) this.droppedLines += 1;
    else this.parts.onLine(line.slice(0, AGENT_LIMITS.hostLineChars));
  }
}
