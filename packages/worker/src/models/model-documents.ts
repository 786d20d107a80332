/**
 * The JSON files of a package, already parsed and known to be objects. Readers take what they
 * understand and treat anything else as absent: these files are written by many tools.
 */
export type JsonObject = Readonly<Record<string, unknown>>;

export interface ModelDocuments {
  readonly config: JsonObject;
  readonly tokenizer?: JsonObject;
  readonly tokenizerConfig: JsonObject;
  readonly generationConfig: JsonObject;
  readonly genaiConfig: JsonObject;
  readonly pooling: JsonObject;
  readonly sentenceConfig: JsonObject;
  /** `modules.json` of sentence-transformers: the types of its steps. */
  readonly sentenceModules?: readonly string[];
  /** `chat_template.jinja`. */
  readonly chatTemplate?: string;
}

export const EMPTY_OBJECT: JsonObject = {};

export function objectIn(document: JsonObject, field: string): JsonObject {
  const value = document[field];
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : EMPTY_OBJECT;
}

export function textIn(document: JsonObject, field: string): string | undefined {
  const value = document[field];
  return typeof value === 'string' ? value : undefined;
}

export function numberIn(document: JsonObject, field: string): number | undefined {
  const value = document[field];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

export function countIn(document: JsonObject, field: string): number | undefined {
  const value = numberIn(document, field);
  return value !== undefined && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

/** One token id or several. */
export function tokenIdsIn(document: JsonObject, field: string): readonly number[] | undefined {
  const value = document[field];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const ids = list.filter((id): id is number => Number.isSafeInteger(id) && (id as number) >= 0);
  return ids.length === 0 ? undefined : ids;
}

/** A special token, written as text or as an object with its `content`. */
export function tokenTextIn(document: JsonObject, field: string): string | undefined {
  return textIn(document, field) ?? textIn(objectIn(document, field), 'content');
}
