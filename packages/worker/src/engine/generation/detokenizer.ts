/**
 * Turns tokens into text as they come, without ever splitting a character.
 *
 * A window of recent tokens is decoded twice, with and without the new ones; the difference is the
 * new text (tokenizers render a token by what stands before it). What ends in an incomplete
 * character (U+FFFD) waits for the next token. The window is short whatever the tokens are: it
 * moves on where a character ended, or can't be completed any more.
 */
export type Decode = (ids: readonly number[]) => string;

const INCOMPLETE = '\uFFFD';
/** Tokens that show nothing, as special ones do, which a window keeps: more change no text. */
const MOST_HIDDEN = 8;

export class Detokenizer {
  /** The window: tokens that are rendered already, then those that are not. */
  private ids: number[];
  private renderedCount: number;
  /** The text of the rendered part, once it is needed. */
  private rendered: string | undefined;
  /** How much of the unrendered part's text was given out already. */
  private given = 0;
  /** The unrendered part's text, where it ends in an incomplete character; else empty. */
  private open = '';

  /** @param context tokens before the first one (the prompt's last); they are never given out. */
  constructor(
    private readonly decode: Decode,
    context: readonly number[],
  ) {
    this.ids = [...context];
    this.renderedCount = this.ids.length;
  }

  /** The text that became certain with this token; may be empty. */
  push(id: number): string {
    this.ids.push(id);
    const fresh = this.fresh();
    const isComplete = !fresh.endsWith(INCOMPLETE);
    // Only the very last character can still become another one.
    const certain = isComplete ? fresh : fresh.slice(0, -INCOMPLETE.length);
    const text = certain.slice(this.given);
    this.given = Math.max(this.given, certain.length);
    this.moveOn(fresh, isComplete);
    return text;
  }

  private moveOn(fresh: string, isComplete: boolean): void {
    const { ids, open } = this;
    this.open = isComplete ? '' : fresh;
    if (isComplete && fresh !== '') {
      this.begin(ids.length);
      this.given = 0;
    } else if (open !== '' && fresh.length > open.length && fresh.startsWith(open)) {
      // What follows an incomplete character without completing it shows that nothing will.
      this.begin(ids.length - 1);
      this.given -= open.length;
      this.open = fresh.slice(open.length);
    } else if (fresh === '' && ids.length - this.renderedCount > MOST_HIDDEN) {
      ids.pop();
    }
  }

  /** Begins the window with what was unrendered so far; the first `count` tokens are rendered. */
  private begin(count: number): void {
    this.ids = this.ids.slice(this.renderedCount);
    this.renderedCount = count - this.renderedCount;
    this.rendered = undefined;
  }

  /** What is left at the end, incomplete characters included. */
  flush(): string {
    const text = this.fresh().slice(this.given);
    this.given += text.length;
    return text;
  }

  private fresh(): string {
    this.rendered ??= this.decode(this.ids.slice(0, this.renderedCount));
    return this.decode(this.ids).slice(this.rendered.length);
  }
}
