/**
 * Where each character of a normalised text comes from.
 *
 * The library gives tokens without offsets, so the text is normalised cluster by cluster (a
 * character with its combining marks). That equals normalising the whole wherever the normaliser
 * looks at one character at a time, which `isLocalNormalizer` decides.
 */
import type { JsonObject } from '../../models/model-documents';

export interface TextMap {
  readonly text: string;
  /** Per UTF-16 unit of `text`: the stretch of the original that it came from. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

export type Normalize = (text: string) => string;

const CLUSTERS = /\P{M}\p{M}*|\p{M}+/gsu;

export function mapNormalized(original: string, normalize: Normalize): TextMap {
  const parts: string[] = [];
  const starts: number[] = [];
  const ends: number[] = [];
  const known = new Map<string, string>();
  for (const match of original.matchAll(CLUSTERS)) {
    const cluster = match[0];
    let normal = known.get(cluster);
    if (normal === undefined) {
      normal = normalize(cluster);
      known.set(cluster, normal);
    }
    parts.push(normal);
    for (let unit = 0; unit < normal.length; unit += 1) {
      starts.push(match.index);
      ends.push(match.index + cluster.length);
    }
  }
  const mapped = parts.join('');
  // Context matters for a few characters (the final sigma): same length, so the map still holds.
  const whole = normalize(original);
  return { text: whole.length === mapped.length ? whole : mapped, starts, ends };
}

const LOCAL_TYPES = new Set([
  'BertNormalizer',
  'Lowercase',
  'StripAccents',
  'NFC',
  'NFD',
  'NFKC',
  'NFKD',
  'Precompiled',
]);

/** @param config the `normalizer` of tokenizer.json. */
export function isLocalNormalizer(config: unknown): boolean {
  if (config === null || config === undefined) return true;
  const { type, normalizers } = config as JsonObject;
  if (type === 'Sequence')
    return Array.isArray(normalizers) && normalizers.every(isLocalNormalizer);
  return typeof type === 'string' && LOCAL_TYPES.has(type);
}
