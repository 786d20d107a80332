import { BUCKETS, PACKAGE_STORE, STREAMS, encodeJson } from '@llmos/base';
import type { JetStreamManager } from '@llmos/wire';
import { assertNoneLost } from './lost-stores';
import {
  LEADER_STORE,
  parseStoreRecord,
  readStoreRecord,
  storesThatExisted,
  storesThatWentBack,
} from './store-record';

const FIRST = [
  ...Object.values(STREAMS),
  ...Object.values(BUCKETS).map((bucket) => `KV_${bucket}`),
  `OBJ_${PACKAGE_STORE}`,
];
const held = (lastSequence: number) => ({ lastSequence });

describe('what has existed', () => {
  it('is what the record names, whatever is there', () => {
    const record = new Map([[STREAMS.tasks, 10]]);
    expect(storesThatExisted(record, new Map())).toBe(record);
  });

  it('is nothing on an empty server, and in a beginning that was cut short', () => {
    expect(storesThatExisted(undefined, new Map()).size).toBe(0);
    const begun = new Map([
      [LEADER_STORE, held(0)],
      [STREAMS.tasks, held(7)],
    ]);
    expect(storesThatExisted(undefined, begun).size).toBe(0);
  });

  it('is every first store where there was a leader, but no record', () => {
    const existed = storesThatExisted(undefined, new Map([[LEADER_STORE, held(3)]]));
    for (const name of existed.keys()) expect(FIRST).toContain(name);
    expect(existed.has(STREAMS.tasks) && existed.has('KV_llmos_models')).toBe(true);
  });

  it('is every first store where the bucket of the leader is gone and a store was used', () => {
    const unused = new Map([[STREAMS.results, held(0)]]);
    expect(storesThatExisted(undefined, unused).size).toBe(0);
    const used = new Map([[STREAMS.results, held(1)]]);
    expect(storesThatExisted(undefined, used).has(LEADER_STORE)).toBe(true);
  });
});

describe('a store that went back', () => {
  const record = new Map([[STREAMS.tasks, 1]]);
  const noted = new Map([
    [STREAMS.tasks, 5],
    [STREAMS.results, 5],
  ]);
  const namesOf = (...of: Parameters<typeof storesThatWentBack>) =>
    storesThatWentBack(...of).map(({ name }) => name);

  it('is one that is behind what was noted; one that is missing is judged by the record', () => {
    expect(namesOf({ record, noted }, new Map([[STREAMS.tasks, held(4)]]))).toEqual([
      STREAMS.tasks,
    ]);
    expect(namesOf({ record, noted }, new Map([[STREAMS.tasks, held(5)]]))).toEqual([]);
  });

  it('is the bucket of the leader where it is empty, and leaders have left something', () => {
    const left = (name: string) =>
      new Map([
        [LEADER_STORE, held(0)],
        [name, held(3)],
      ]);
    const none = { record: undefined, noted: new Map<string, number>() };
    expect(namesOf(none, left(STREAMS.results))).toEqual([LEADER_STORE]);
    // Clients may publish before there is a leader.
    expect(namesOf(none, left(STREAMS.tasks))).toEqual([]);
    expect(namesOf({ ...none, record }, left(STREAMS.results))).toEqual([]);
  });
});

describe('a record', () => {
  it('is read with its budgets; what is none counts as unknown', () => {
    const stores = { A: 5, B: 0, C: -1, D: 'x', E: 1.5 };
    expect(parseStoreRecord(encodeJson({ version: 1, stores }))).toEqual(
      new Map([['A', 5], ...['B', 'C', 'D', 'E'].map((name): [string, number] => [name, 0])]),
    );
  });

  it.each(['', 'nonsense', '[]', 'null', '{"stores":3}', '{"stores":[]}'])(
    'is none where it says %j',
    (text) => expect(parseStoreRecord(Buffer.from(text))).toBeUndefined(),
  );

  it('is not asked for in a bucket that is only being made: nats-server 2.9 would end', async () => {
    const getMessage = jest.fn();
    const info = () => Promise.resolve({ created: '0001-01-01T00:00:00Z' });
    const manager = { streams: { info, getMessage } } as unknown as JetStreamManager;
    expect(await readStoreRecord(manager)).toEqual({ stores: undefined, revision: 0 });
    expect(getMessage).not.toHaveBeenCalled();
  });

  it('is read no further than its bound', () => {
    const stores = Object.fromEntries(Array.from({ length: 9_999 }, (_, n) => [`S${n}`, 1]));
    expect(parseStoreRecord(encodeJson({ stores }))?.size).toBe(256);
  });
});

describe('a store that is lost', () => {
  const look = {
    existing: new Map([[LEADER_STORE, held(1)]]),
    missing: ['A', 'B', 'NEW'].map((name) => ({ config: { name } })),
    existed: new Map([
      ['A', 3 * 1024 * 1024],
      ['B', 0],
    ]),
  };

  it('is named with its bytes and with what to set', () => {
    expect(() => assertNoneLost({ ...look, makeAnew: [] })).toThrow(
      expect.objectContaining({
        code: 'FAILED_PRECONDITION',
        message: expect.stringMatching(/A \(3 MiB\), B, .*LLMOS_MAKE_ANEW=A,B$/) as string,
        details: { missing: ['A', 'B'], missingBytes: 3 * 1024 * 1024 },
      }),
    );
  });

  it('is made anew where that was asked for by name, and no other', () => {
    expect(() => assertNoneLost({ ...look, makeAnew: ['A', 'B'] })).not.toThrow();
    expect(() => assertNoneLost({ ...look, makeAnew: ['A'] })).toThrow(/MAKE_ANEW=B$/);
  });
});
