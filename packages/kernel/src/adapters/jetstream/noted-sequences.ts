/** Reads and writes the row of sequences (N1, N2 in base/store-sequences.ts), and the stores' own. */
import type { StoreSequences } from '@llmos/base';
import {
  LEADER_STREAM,
  SEQUENCES_SUBJECT as SUBJECT,
  formatStoreSequences,
  parseStoreSequences,
} from '@llmos/base';
import { isApiError, isConflict, readLast } from '@llmos/wire';
import type { JetStreamClient, JetStreamManager } from '@llmos/wire';

/** Empty where nothing was noted yet. */
export async function readNotedSequences(manager: JetStreamManager): Promise<StoreSequences> {
  return (await readRow(manager)).sequences;
}

interface NotesOptions {
  readonly manager: JetStreamManager;
  readonly jetstream: JetStreamClient;
}

/** Another kernel may do the same at once: `change` is asked again, of what that one wrote. */
export async function changeNotedSequences(
  of: NotesOptions,
  change: (noted: StoreSequences) => StoreSequences,
): Promise<void> {
  for (;;) {
    const { sequences, revision } = await readRow(of.manager);
    const changed = change(sequences);
    const isSame = [...changed].every(([name, sequence]) => sequences.get(name) === sequence);
    if (isSame && changed.size === sequences.size) return;
    try {
      await of.jetstream.publish(SUBJECT, formatStoreSequences(changed), {
        expect: { lastSubjectSequence: revision },
      });
      return;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
}

/** To what is there of stores that were given up (N2). */
export async function lowerNotedSequences(
  of: NotesOptions,
  givenUp: StoreSequences,
): Promise<void> {
  await changeNotedSequences(of, (noted) => {
    const lowered = [...noted].map(([name, sequence]): [string, number] => [
      name,
      Math.min(sequence, givenUp.get(name) ?? sequence),
    ]);
    return new Map(lowered);
  });
}

/** Of those that are there. */
export async function sequencesOfStores(
  manager: JetStreamManager,
  names: readonly string[],
): Promise<StoreSequences> {
  const rows = await Promise.all(names.map((name) => sequenceOf(manager, name)));
  return new Map(rows.flat());
}

async function sequenceOf(manager: JetStreamManager, name: string): Promise<[string, number][]> {
  try {
    return [[name, (await manager.streams.info(name)).state.last_seq]];
  } catch (error) {
    if (isApiError(error, 'streamNotFound')) return [];
    throw error;
  }
}

async function readRow(
  manager: JetStreamManager,
): Promise<{ readonly sequences: StoreSequences; readonly revision: number }> {
  const stored = await readLast(manager, LEADER_STREAM, SUBJECT);
  if (stored === undefined) return { sequences: new Map(), revision: 0 };
  return { sequences: parseStoreSequences(stored.data), revision: stored.seq };
}
