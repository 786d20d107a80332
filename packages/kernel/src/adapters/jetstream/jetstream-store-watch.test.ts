import type { Logger } from '@llmos/base';
import {
  SEQUENCES_SUBJECT,
  formatStoreSequences,
  parseStoreSequences,
  silentLogger,
} from '@llmos/base';
import { API_ERRORS, NatsError } from '@llmos/wire';
import type { JetStreamClient, JetStreamManager, NatsConnection, StoredMsg } from '@llmos/wire';
import { JetStreamStoreWatch } from './jetstream-store-watch';
import { lowerNotedSequences } from './noted-sequences';

const NOTE_MS = 1_000;

/** A server that holds stores and the row of what was noted of them. */
function setUp(noted: Readonly<Record<string, number>> = {}) {
  const stores = new Map([
    ['A', 5],
    ['B', 7],
  ]);
  const row = { data: formatStoreSequences(new Map(Object.entries(noted))), seq: 1, writes: 0 };
  /** Between the reading of the row and its writing, once. */
  let meanwhile: (() => void) | undefined;
  const world = { isAway: false, onInfo: (): void => undefined };
  const manager = {
    streams: {
      info: (name: string) => {
        world.onInfo();
        const sequence = stores.get(name);
        if (sequence === undefined) return Promise.reject(apiError('streamNotFound'));
        return Promise.resolve({ state: { last_seq: sequence } });
      },
      getMessage: () => {
        if (world.isAway) return Promise.reject(new Error('away'));
        return Promise.resolve({ ...row } as unknown as StoredMsg);
      },
    },
  } as unknown as JetStreamManager;
  const publish = (
    subject: string,
    data: Uint8Array,
    { expect: expected }: { expect?: { lastSubjectSequence: number } } = {},
  ) => {
    expect(subject).toBe(SEQUENCES_SUBJECT);
    meanwhile?.();
    meanwhile = undefined;
    const after = expected?.lastSubjectSequence;
    if (after !== undefined && after !== row.seq) {
      return Promise.reject(apiError('wrongLastSequence'));
    }
    Object.assign(row, { data, seq: row.seq + 1, writes: row.writes + 1 });
    return Promise.resolve();
  };
  const jetstream = { publish } as unknown as JetStreamClient;
  let reconnect: () => void = () => undefined;
  const connection = {
    jetstream: () => jetstream,
    async *status() {
      for (;;) {
        await new Promise<void>((resolve) => (reconnect = resolve));
        yield { type: 'reconnect' };
      }
    },
  } as unknown as NatsConnection;
  const errors: unknown[] = [];
  const log = { ...silentLogger, error: (...line: unknown[]) => errors.push(line) } as Logger;
  const names = ['A', 'B', 'GONE'];
  const watch = new JetStreamStoreWatch({ connection, manager, log, names, noteMs: NOTE_MS });
  return {
    watch,
    stores,
    row,
    world,
    errors,
    notes: { manager, jetstream },
    noted: () => Object.fromEntries(parseStoreSequences(row.data)),
    /** Another kernel writes the row just before this one does. */
    interfere: (sequences: Readonly<Record<string, number>>) => {
      meanwhile = () => {
        row.data = formatStoreSequences(new Map(Object.entries(sequences)));
        row.seq += 1;
      };
    },
    reconnect: () => reconnect(),
  };
}

function apiError(name: keyof typeof API_ERRORS): NatsError {
  const error = new NatsError(name, '400', undefined);
  error.api_error = { code: 400, err_code: API_ERRORS[name], description: name };
  return error;
}

/** So many looks that note. */
const look = (count = 1): Promise<void> => jest.advanceTimersByTimeAsync(count * NOTE_MS);
const turn = (): Promise<void> => jest.advanceTimersByTimeAsync(0);

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

it('notes what it saw a look ago and still finds, and never what it sees just now (N1)', async () => {
  const { watch, stores, noted } = setUp();
  watch.begin();
  await turn();
  expect(noted()).toEqual({});
  stores.set('A', 9);
  await look();
  expect(noted()).toEqual({ A: 5, B: 7 });
  // It was killed, and has lost what it had not written.
  stores.set('A', 6);
  await look();
  expect(noted()).toEqual({ A: 6, B: 7 });
  watch.end();
});

it('only raises what is noted, and keeps what is noted of others (N2)', async () => {
  const { watch, noted } = setUp({ A: 8, OTHER: 3 });
  watch.begin();
  await turn();
  await look(2);
  expect(noted()).toEqual({ A: 8, B: 7, OTHER: 3 });
  watch.end();
});

it('adds to what another kernel writes at once, and writes nothing that is written already', async () => {
  const { watch, row, noted, interfere } = setUp();
  watch.begin();
  await turn();
  interfere({ A: 6 });
  await look();
  expect(noted()).toEqual({ A: 6, B: 7 });
  const { writes } = row;
  await look(3);
  expect(row.writes).toBe(writes);
  watch.end();
});

it('tells what is behind when it begins and after a reconnect, once', async () => {
  const { watch, stores, errors, row, reconnect } = setUp({ A: 6 });
  watch.begin();
  await turn();
  expect(watch.lost()).toBe('A held messages up to 6 and ends at 5');
  expect(errors).toHaveLength(1);
  stores.set('A', 6);
  reconnect();
  await turn();
  expect(watch.lost()).toBeUndefined();
  stores.delete('A');
  reconnect();
  await turn();
  expect(watch.lost()).toBe('A held messages up to 6 and begins anew');
  await look(2);
  expect(errors).toHaveLength(2);
  expect(row.writes).toBe(1);
  watch.end();
});

it('looks again where a look fails', async () => {
  const { watch, world, noted } = setUp();
  world.isAway = true;
  watch.begin();
  await look();
  world.isAway = false;
  await look(2);
  expect(noted()).toEqual({ A: 5, B: 7 });
  watch.end();
});

it('tells and notes nothing once it has ended, whatever was on its way', async () => {
  const { watch, stores, world, row } = setUp({ A: 6 });
  watch.begin();
  await turn();
  world.onInfo = () => watch.end();
  await look();
  expect(watch.lost()).toBeUndefined();
  stores.set('A', 10);
  await look(3);
  expect(row.writes).toBe(0);
  expect(jest.getTimerCount()).toBe(0);
});

it('lowers what is given up to what is there, and nothing else', async () => {
  const { notes, noted } = setUp({ A: 9, B: 7, C: 2 });
  await lowerNotedSequences(notes, new Map([...Object.entries({ A: 4, C: 3 })]));
  expect(noted()).toEqual({ A: 4, B: 7, C: 2 });
});
