/**
 * The input of a function as the command line gives it: JSON or, for the functions that read a
 * text, simply the text; `-` where it comes on stdin.
 */
import { isRecord, quoteShort } from '@llmos/base';
import { UsageError } from './usage-error';

export interface InputSource {
  readonly function: string;
  /** The argument; undefined where it was left out. */
  readonly argument: string | undefined;
  readonly model: string | undefined;
  readonly readStdin: () => Promise<string>;
}

/** Which field a bare text fills. */
const TEXT_FIELDS: Readonly<Record<string, string>> = {
  classify: 'text',
  embed: 'text',
  extract: 'text',
  generate: 'prompt',
};

/** Throws a UsageError that says what is wrong with it. */
export async function readTaskInput(source: InputSource): Promise<unknown> {
  const { argument } = source;
  // A line that was piped in ends with a line break that is none of the text's.
  const text = argument === '-' ? (await source.readStdin()).replace(/\r?\n$/, '') : argument;
  const value = text === undefined || text.trim() === '' ? {} : parseInput(text, source);
  return withModel(value, source);
}

function parseInput(text: string, source: InputSource): unknown {
  const field = TEXT_FIELDS[source.function];
  try {
    const value: unknown = JSON.parse(text);
    if (field === undefined || isRecord(value) || Array.isArray(value)) return value;
    // `llmos run generate 1984` begins a story, and with no number.
    return { [field]: typeof value === 'string' ? value : text };
  } catch (error) {
    const isMeantAsJson = /^\s*[[{"]/.test(text);
    if (field !== undefined && !isMeantAsJson) return { [field]: text };
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`the input ${quoteShort(text)} is not JSON: ${reason}`);
  }
}

function withModel(value: unknown, source: InputSource): unknown {
  if (source.model === undefined) return value;
  if (isRecord(value)) return { ...value, model: source.model };
  throw new UsageError('--model needs an input that is a JSON object');
}
