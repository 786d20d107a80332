/**
 * The last sequence that each stream, bucket and object store is known to have had: a row of the
 * bucket `llmos_leader`. A store never goes back below it by itself, whatever is deleted, acked or
 * grown too old, so one that has lost messages which were once there.
 *
 * N1: a sequence is noted only some time after it was seen (`sequenceNoteMs`). By then the server
 *     has written to its disk what lies below; what a killed server may still lose is above.
 * N2: leaders only raise it; a start lowers it, where an operator gives up what is lost.
 */
import { WIRE_LIMITS } from './limits';
import { BUCKETS } from './model-package';
import { decodeJson, encodeJson, isRecord } from './result';

export const SEQUENCES_SUBJECT = `$KV.${BUCKETS.leader}.sequences`;

/** By name of the store. */
export type StoreSequences = ReadonlyMap<string, number>;

export interface StoreBehind {
  readonly name: string;
  readonly notedSequence: number;
  /** 0 where the store is gone, or was begun anew. */
  readonly lastSequence: number;
}

/** Empty for whatever is no such row; names without a sequence are left out. */
export function parseStoreSequences(bytes: Uint8Array): StoreSequences {
  let value: unknown;
  try {
    value = decodeJson(bytes);
  } catch {
    return new Map();
  }
  const rows = isRecord(value) ? value['sequences'] : undefined;
  if (!isRecord(rows)) return new Map();
  return new Map(
    Object.entries(rows)
      .slice(0, WIRE_LIMITS.maxNotedStores)
      .filter((row): row is [string, number] => Number.isSafeInteger(row[1])),
  );
}

export function formatStoreSequences(sequences: StoreSequences): Uint8Array {
  return encodeJson({ version: 1, sequences: Object.fromEntries(sequences) });
}

/** Those that have lost messages which they are known to have had. */
export function storesBehind(noted: StoreSequences, found: StoreSequences): readonly StoreBehind[] {
  return [...noted].flatMap(([name, notedSequence]) => {
    const lastSequence = found.get(name) ?? 0;
    return lastSequence < notedSequence ? [{ name, notedSequence, lastSequence }] : [];
  });
}

/** For people. */
export function describeBehind({ name, notedSequence, lastSequence }: StoreBehind): string {
  const now = lastSequence === 0 ? 'begins anew' : `ends at ${lastSequence}`;
  return `${name} held messages up to ${notedSequence} and ${now}`;
}
