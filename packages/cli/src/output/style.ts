/** Colours of a terminal; plain text where it has none, or NO_COLOR is set (no-color.org). */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  red(text: string): string;
  cyan(text: string): string;
}

export interface StyleSource {
  readonly isTerminal: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export function createStyle(source: StyleSource): Style {
  const wrap = (open: number, close: number) => (text: string) =>
    `\u001b[${open}m${text}\u001b[${close}m`;
  const plain = (text: string): string => text;
  if (!hasColor(source)) {
    return { bold: plain, dim: plain, green: plain, yellow: plain, red: plain, cyan: plain };
  }
  return {
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    green: wrap(32, 39),
    yellow: wrap(33, 39),
    red: wrap(31, 39),
    cyan: wrap(36, 39),
  };
}

/** Whether a stream shows colours. */
export function hasColor(source: StyleSource): boolean {
  const { NO_COLOR: noColor, FORCE_COLOR: force, TERM: term } = source.env;
  if (noColor !== undefined && noColor !== '') return false;
  if (force !== undefined && force !== '' && force !== '0') return true;
  return source.isTerminal && term !== 'dumb';
}

export function withoutColors(text: string): string {
  return text.replace(/\u001b\[\d+m/g, '');
}

/** What East Asian scripts and emoji take: two columns. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
/** Marks on the character before them, and what has no shape at all. */
const NO_WIDTH = /\p{Mn}|\p{Me}|\p{Cf}/u;

/** Width on the screen of a text that may hold colour codes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of withoutColors(text)) {
    if (!NO_WIDTH.test(character)) width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}
