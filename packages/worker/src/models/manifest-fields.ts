/** Reads `llmos.json`, written by hand: unknown fields and wrong values are refused by name. */
import type { ModelManifest, ModelTask, StatePair } from '@llmos/base';
import { LlmosError, MODEL_TASKS, TENSOR_TYPES, isRecord, quoteShort } from '@llmos/base';
import { MODEL_LIMITS } from './limits';
import { checkPackagePath } from './package-path';

/** What may be written by hand. */
export type ManifestFields = Partial<Omit<ModelManifest, 'traits'>>;

const POOLINGS = ['mean', 'cls', 'none'] as const;

type FieldReader = (value: unknown, place: string) => unknown;

const FIELDS: Readonly<Record<keyof ManifestFields, FieldReader>> = {
  task: (value, place) => oneOf<ModelTask>(value, place, MODEL_TASKS),
  graph: (value, place) => packagePath(value, place),
  maxTokens: (value, place) => count(value, place, MODEL_LIMITS.maxContextTokens),
  pooling: (value, place) => oneOf(value, place, POOLINGS),
  normalize: (value, place) => flag(value, place),
  state: (value, place) => statePairs(value, place),
  threads: (value, place) => count(value, place, MODEL_LIMITS.maxThreads),
  sharedPrefixes: (value, place) => flag(value, place),
  sharedWeights: (value, place) => flag(value, place),
  description: (value, place) =>
    typeof value === 'string' && value.length <= 2000
      ? value
      : refuse(place, value, 'a text of at most 2000 characters'),
};

export function parseManifestFields(document: unknown): ManifestFields {
  if (!isRecord(document)) refuse('the file', document, 'a JSON object');
  const unknown = Object.keys(document).find((name) => !Object.hasOwn(FIELDS, name));
  if (unknown !== undefined) {
    const known = Object.keys(FIELDS).join(', ');
    throw invalid(`llmos.json: unknown field ${quoteShort(unknown)}; known are ${known}`);
  }
  const entries = Object.entries(document).map(([name, value]) => {
    const read = FIELDS[name as keyof ManifestFields];
    return [name, read(value, name)] as const;
  });
  return Object.fromEntries(entries);
}

export function isPackagePath(text: unknown): text is string {
  return typeof text === 'string' && checkPackagePath(text) === undefined;
}

function packagePath(value: unknown, place: string): string {
  return isPackagePath(value) ? value : refuse(place, value, 'a path inside the package');
}

function statePairs(value: unknown, place: string): readonly StatePair[] {
  if (!Array.isArray(value) || value.length > 256) {
    return refuse(place, value, 'a list of at most 256 pairs');
  }
  return value.map((item: unknown, index) => statePair(item, `${place}[${index}]`));
}

function statePair(value: unknown, place: string): StatePair {
  const rule = 'an object of the texts input, output, type and the list of numbers dims';
  if (!isRecord(value) || Object.keys(value).length !== 4) return refuse(place, value, rule);
  const { input, output, dims, type } = value;
  const isComplete =
    typeof input === 'string' &&
    typeof output === 'string' &&
    Array.isArray(dims) &&
    dims.every((dim) => Number.isSafeInteger(dim) && (dim as number) >= 0);
  if (!isComplete) return refuse(place, value, rule);
  return { input, output, dims: dims as number[], type: oneOf(type, `${place}.type`, TENSOR_TYPES) };
}

function oneOf<T extends string>(value: unknown, place: string, allowed: readonly T[]): T {
  return allowed.includes(value as T)
    ? (value as T)
    : refuse(place, value, `one of ${allowed.join(', ')}`);
}

function flag(value: unknown, place: string): boolean {
  return typeof value === 'boolean' ? value : refuse(place, value, 'true or false');
}

function count(value: unknown, place: string, most: number): number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most
    ? (value as number)
    : refuse(place, value, `an integer from 1 to ${most}`);
}

function refuse(place: string, value: unknown, rule: string): never {
  throw invalid(`llmos.json: ${place} must be ${rule}, not ${quoteShort(value)}`);
}

function invalid(message: string): LlmosError {
  return new LlmosError('INVALID_ARGUMENT', message);
}
