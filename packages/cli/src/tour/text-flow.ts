/** Writes a text that comes in pieces as a paragraph: indented, broken at words. */
export class TextFlow {
  #column = 0;
  #word = '';

  constructor(
    private readonly write: (text: string) => void,
    private readonly shape: { readonly indent: string; readonly width: number },
  ) {}

  push(piece: string): void {
    for (const character of piece) {
      if (character === '\n') {
        this.#endWord();
        this.write('\n');
        this.#column = 0;
      } else if (character === ' ') {
        this.#endWord();
        this.#word = ' ';
      } else {
        this.#word += character;
      }
    }
  }

  end(): void {
    this.#endWord();
    this.write('\n');
    this.#column = 0;
  }

  #endWord(): void {
    if (this.#word === '') return;
    const length = [...this.#word].length;
    const isTooWide = this.#column > 0 && this.#column + length > this.shape.width;
    if (isTooWide) this.write('\n');
    const isLineStart = this.#column === 0 || isTooWide;
    const word = isLineStart ? this.#word.trimStart() : this.#word;
    this.write(isLineStart ? this.shape.indent + word : word);
    this.#column = isLineStart ? [...word].length : this.#column + length;
    this.#word = '';
  }
}
