/**
 * What proves that a system has existed: a record in the bucket `llmos_leader` of the streams,
 * buckets and object stores that were there, with their byte budgets.
 *
 * The bucket is the first thing that is made and the record is written once everything is there, so
 * - S1: a store that the record names has existed;
 * - S2: a bucket with other rows and no record is of a system from before there were records, which
 *   had every store of FIRST_STORES before it had a leader;
 * - S3: a bucket without any row belongs to a beginning that is under way, or was cut short;
 * - S4: without the bucket, any store that ever held a message is what is left of a system.
 */
import type { StoreBehind, StoreSequences } from '@llmos/base';
import {
  BUCKETS,
  PACKAGE_STORE,
  STREAMS,
  decodeJson,
  encodeJson,
  isRecord,
  storesBehind,
} from '@llmos/base';
import { isApiError, isConflict } from '@llmos/wire';
import type { JetStreamClient, JetStreamManager } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { Budgets } from './store-budgets';

export const LEADER_STORE = `KV_${BUCKETS.leader}`;
const SUBJECT = `$KV.${BUCKETS.leader}.stores`;

/** Those of the systems from before there were records. Never add one. */
const FIRST_STORES: readonly string[] = [
  ...[STREAMS.tasks, STREAMS.results, STREAMS.streams, STREAMS.dead, STREAMS.events],
  ...['leader', 'models', 'functions', 'tenants', 'processes', 'attempts'].map(
    (name) => `KV_llmos_${name}`,
  ),
  `OBJ_${PACKAGE_STORE}`,
];

/** Budgets by name; 0 for what has none, or none that is known. */
export type StoreRecord = Budgets;

export interface StoredRecord {
  /** undefined where there is none that can be read. */
  readonly stores: StoreRecord | undefined;
  /** 0 where there is none. */
  readonly revision: number;
}

export async function readStoreRecord(manager: JetStreamManager): Promise<StoredRecord> {
  try {
    // nats-server 2.9 ends itself where a message is read from a stream that is only being made.
    const { created } = await manager.streams.info(LEADER_STORE);
    if (isUnfinished(created)) return { stores: undefined, revision: 0 };
    const message = await manager.streams.getMessage(LEADER_STORE, { last_by_subj: SUBJECT });
    return { stores: parseStoreRecord(message.data), revision: message.seq };
  } catch (error) {
    const isAbsent = isApiError(error, 'streamNotFound', 'noMessageFound');
    if (isAbsent) return { stores: undefined, revision: 0 };
    throw error;
  }
}

/** A server gives a stream its time and its store in one; before, it has the zero time of Go. */
function isUnfinished(created: string): boolean {
  return created.startsWith('0001-');
}

/** undefined for whatever is no such record; names that are none are left out. */
export function parseStoreRecord(bytes: Uint8Array): StoreRecord | undefined {
  let value: unknown;
  try {
    value = decodeJson(bytes);
  } catch {
    return undefined;
  }
  const rows = isRecord(value) ? value['stores'] : undefined;
  if (!isRecord(rows)) return undefined;
  const stores = Object.entries(rows).slice(0, EDGE_LIMITS.maxRecordedStores);
  return new Map(stores.map(([name, budget]) => [name, asBudget(budget)]));
}

function asBudget(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

/** Adds what there is to the record. Another kernel may do the same at once; both are right. */
export async function writeStoreRecord(
  of: { readonly manager: JetStreamManager; readonly jetstream: JetStreamClient },
  found: StoreRecord,
): Promise<void> {
  for (;;) {
    const stored = await readStoreRecord(of.manager);
    const merged = new Map([...(stored.stores ?? []), ...found]);
    const isKnown = [...found].every(([name, bytes]) => stored.stores?.get(name) === bytes);
    if (isKnown) return;
    try {
      const body = encodeJson({ version: 1, stores: Object.fromEntries(merged) });
      await of.jetstream.publish(SUBJECT, body, {
        expect: { lastSubjectSequence: stored.revision },
      });
      return;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
}

/** What one look found of a store. */
export interface FoundStore {
  /** Of the last message that it ever held; 0 where it never held one. */
  readonly lastSequence: number;
}

/**
 * The stores that have existed, with the budgets that are known; empty where the system begins.
 *
 * @param found what is there now, looked at after the record was read: what another kernel makes in
 * between then counts as there, never as lost.
 */
export function storesThatExisted(
  record: StoreRecord | undefined,
  found: ReadonlyMap<string, FoundStore>,
): StoreRecord {
  if (record !== undefined) return record;
  const leader = found.get(LEADER_STORE);
  const hasHistory =
    leader === undefined
      ? [...found.values()].some((store) => store.lastSequence > 0)
      : leader.lastSequence > 0;
  return new Map(hasHistory ? FIRST_STORES.map((name) => [name, 0]) : []);
}

/** Nothing is in them before there was a leader. */
const OF_LEADERS: readonly string[] = [
  ...[STREAMS.results, STREAMS.dead, STREAMS.events],
  ...[`KV_${BUCKETS.models}`, `KV_${BUCKETS.attempts}`],
];

/** The stores that have lost messages which were once there; of the bucket of the record, all. */
export function storesThatWentBack(
  of: { readonly record: StoreRecord | undefined; readonly noted: StoreSequences },
  found: ReadonlyMap<string, FoundStore>,
): readonly StoreBehind[] {
  const sequenceOf = (name: string): number => found.get(name)?.lastSequence ?? 0;
  const isRecordGone =
    of.record === undefined &&
    found.get(LEADER_STORE)?.lastSequence === 0 &&
    OF_LEADERS.some((name) => sequenceOf(name) > 0);
  if (isRecordGone) return [{ name: LEADER_STORE, notedSequence: 1, lastSequence: 0 }];
  const sequences = [...found].map(([name]): [string, number] => [name, sequenceOf(name)]);
  // One that is missing is judged by the record.
  return storesBehind(of.noted, new Map(sequences)).filter(({ name }) => found.has(name));
}
