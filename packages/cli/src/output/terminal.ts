/**
 * Where a command writes: answers on stdout, everything else on stderr, so that a pipe gets only
 * what was asked for. The only writer of both.
 */
import type { Style } from './style';
import { createStyle, hasColor, withoutColors } from './style';
import { bar } from './units';

export interface OutputStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface TerminalParts {
  readonly out: OutputStream;
  readonly err: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One JSON value on stdout, no talk on stderr. */
  readonly isJson: boolean;
}

export class Terminal {
  readonly style: Style;
  readonly isJson: boolean;
  #hasTransient = false;
  #isMidLine = false;
  #shownPercent = -1;

  constructor(private readonly parts: TerminalParts) {
    this.isJson = parts.isJson;
    this.style = createStyle({ isTerminal: parts.out.isTTY === true, env: parts.env });
  }

  /** Whether lines may be drawn over. */
  get isInteractive(): boolean {
    return this.parts.err.isTTY === true && this.parts.env['TERM'] !== 'dumb';
  }

  get columns(): number {
    // A terminal that does not know its width says 0.
    return this.parts.out.columns || 100;
  }

  /** A line of the answer. */
  line(text = ''): void {
    this.#clearTransient();
    this.parts.out.write(`${text}\n`);
    this.#isMidLine = false;
  }

  /** A part of the answer, as it comes. */
  write(text: string): void {
    this.#clearTransient();
    this.parts.out.write(text);
    if (text !== '') this.#isMidLine = !text.endsWith('\n');
  }

  /** Ends the line of what was written, where it has not ended: also when that broke off. */
  endLine(): void {
    if (this.#isMidLine) this.line();
  }

  json(value: unknown): void {
    this.#clearTransient();
    this.parts.out.write(`${JSON.stringify(value)}\n`);
  }

  /** A remark beside the answer. */
  note(text: string): void {
    if (!this.isJson) this.error(text);
  }

  /** How far something is that takes time: a bar, drawn anew where the percentage changes. */
  progressBar(share: number, text: string): void {
    const percent = Math.floor(Math.max(0, Math.min(1, share)) * 100);
    if (percent === this.#shownPercent && this.#hasTransient) return;
    this.#shownPercent = percent;
    this.progress(`${bar(share, 24)} ${String(percent).padStart(3)} %  ${text}`);
  }

  /** What takes time: on a terminal a line that the next one replaces, elsewhere nothing. */
  progress(text: string): void {
    if (this.isJson || !this.isInteractive) return;
    this.#clearTransient();
    // A terminal that does not know its width says 0.
    const width = Math.max(20, (this.parts.err.columns || 80) - 1);
    this.parts.err.write(this.style.dim(text.slice(0, width)));
    this.#hasTransient = true;
  }

  /** Takes the line of `progress` away. */
  endProgress(): void {
    this.#clearTransient();
  }

  /** What went wrong; also where the answer is JSON. */
  error(text: string): void {
    this.#clearTransient();
    const { err, env } = this.parts;
    // Colours are chosen by the answer's stream; this one may be a file.
    const isColored = hasColor({ isTerminal: err.isTTY === true, env });
    err.write(`${isColored ? text : withoutColors(text)}\n`);
  }

  #clearTransient(): void {
    if (!this.#hasTransient) return;
    this.parts.err.write('\r\u001b[2K');
    this.#hasTransient = false;
  }
}
