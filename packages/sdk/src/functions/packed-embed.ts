/**
 * The input of `embed` and task results as protobuf (proto/llmos/v1/functions.proto). An embedding
 * takes a fifth of its JSON, and is neither written nor read as text.
 */
import type { EmbedInput, Result, TextUsage } from '@llmos/base';
import { errorBody, failure, isErrorCode, isRecord, success } from '@llmos/base';
import type { PackedField } from './packed-reader';
import { doubleOf, floatsOf, readFields, textOf } from './packed-reader';

const INPUT = { model: 1, text: 2, texts: 3, truncate: 4 } as const;
/** Outputs are 2 to 7. */
const RESULT = { error: 1, embed: 3, lastOutput: 7, usage: 8 } as const;
const USAGE = { inputTokens: 1 } as const;
const EMBEDDINGS = 1;
const ERROR = { code: 1, retryable: 2, message: 3, details: 4 } as const;

const encoder = new TextEncoder();
/** Only JSON can carry half of a surrogate pair. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Undefined where the input is not one of `embed`: as JSON, the kernel says what is wrong. */
export function packEmbedInput(input: unknown): Uint8Array | undefined {
  if (!isRecord(input)) return undefined;
  const parts: Uint8Array[] = [];
  for (const [name, value] of Object.entries(input)) {
    if (value === undefined) continue;
    if ((name === 'model' || name === 'text') && isText(value)) {
      parts.push(packText(INPUT[name], value));
    } else if (
      name === 'texts' &&
      Array.isArray(value) &&
      value.length > 0 &&
      value.every(isText)
    ) {
      parts.push(...value.map((text: string) => packText(INPUT.texts, text)));
    } else if (name === 'truncate' && typeof value === 'boolean') {
      parts.push(Uint8Array.of(INPUT.truncate * 8, value ? 1 : 0));
    } else return undefined;
  }
  // An empty body is refused as one, which says less than what is missing.
  return parts.length === 0 ? undefined : Buffer.concat(parts);
}

/** The JSON namesake of a packed input; undefined where the bytes are none. */
export function unpackEmbedInput(bytes: Uint8Array): EmbedInput | undefined {
  try {
    const fields = readFields(bytes);
    const one = (number: number): PackedField | undefined =>
      fields.findLast((field) => field.number === number);
    const texts = fields.filter((field) => field.number === INPUT.texts).map(textOf);
    const truncate = one(INPUT.truncate);
    return {
      ...(one(INPUT.model) && { model: textOf(one(INPUT.model)) }),
      ...(one(INPUT.text) && { text: textOf(one(INPUT.text)) }),
      ...(texts.length > 0 && { texts }),
      ...(truncate && { truncate: truncate.value !== 0 }),
    };
  } catch {
    return undefined;
  }
}

/** Errors of any task and the output of `embed`; other outputs are UNIMPLEMENTED. */
export function unpackResult(bytes: Uint8Array): Result {
  try {
    const fields = readFields(bytes);
    const result = fields.findLast(({ number }) => number <= RESULT.lastOutput);
    if (result?.number === RESULT.embed) {
      const usage = usageOf(fields.findLast(({ number }) => number === RESULT.usage));
      return success({ embeddings: embeddingsOf(result.bytes), ...(usage && { usage }) });
    }
    if (result?.number === RESULT.error) return unpackError(result.bytes);
  } catch {
    return failure(errorBody('INTERNAL', 'the result is not protobuf'));
  }
  const text = 'the task was submitted as protobuf, and so is its result: it is read as bytes only';
  return failure(errorBody('UNIMPLEMENTED', text));
}

function embeddingsOf(output: Uint8Array): number[][] {
  const vectors = readFields(output).filter(({ number }) => number === EMBEDDINGS);
  return vectors.map((vector) => {
    const [values] = readFields(vector.bytes);
    return values === undefined ? [] : floatsOf(values);
  });
}

/** Zero is not written. Workers of earlier versions tell no usage. */
function usageOf(field: PackedField | undefined): TextUsage | undefined {
  if (field === undefined) return undefined;
  const count = readFields(field.bytes).findLast(({ number }) => number === USAGE.inputTokens);
  return { inputTokens: count?.value ?? 0 };
}

function unpackError(bytes: Uint8Array): Result<never> {
  const fields = readFields(bytes);
  const one = (number: number): PackedField | undefined =>
    fields.findLast((field) => field.number === number);
  const code = textOf(one(ERROR.code));
  if (!isErrorCode(code)) {
    return failure(errorBody('INTERNAL', 'the result has neither an output nor an error'));
  }
  const details = one(ERROR.details);
  return failure({
    code,
    retryable: one(ERROR.retryable)?.value === 1,
    message: textOf(one(ERROR.message)),
    ...(details && { details: structOf(details.bytes) }),
  });
}

/** A google.protobuf.Struct: a map of names to values. */
function structOf(bytes: Uint8Array): Record<string, unknown> {
  const entries = readFields(bytes).map((entry) => {
    const fields = readFields(entry.bytes);
    const value = fields.find((field) => field.number === 2);
    const name = textOf(fields.find((field) => field.number === 1));
    return [name, value === undefined ? null : valueOf(value.bytes)] as const;
  });
  return Object.fromEntries(entries);
}

/** A google.protobuf.Value: null, number, text, boolean, struct or list, by its field. */
function valueOf(bytes: Uint8Array): unknown {
  const [field] = readFields(bytes);
  switch (field?.number) {
    case 2:
      return doubleOf(field);
    case 3:
      return textOf(field);
    case 4:
      return field.value !== 0;
    case 5:
      return structOf(field.bytes);
    case 6:
      return readFields(field.bytes).map((item) => valueOf(item.bytes));
    default:
      return null;
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && !LONE_SURROGATE.test(value);
}

function packText(number: number, text: string): Uint8Array {
  const bytes = encoder.encode(text);
  const head: number[] = [number * 8 + 2];
  let rest = bytes.length;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) head.push((rest % 128) + 0x80);
  return Buffer.concat([Uint8Array.from([...head, rest]), bytes]);
}
