import { LOCAL_LIMITS } from '../limits';
import {
  assertRoomToStart,
  formatStoragePlan,
  parseStoragePlan,
  parseWantedBytes,
  planForServer,
  planStorage,
} from './storage-plan';
import type { StorageLook, StoragePlan, StoreFiles } from './storage-plan';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const NOTHING: StoreFiles = {
  stores: 0,
  reservedBytes: 0,
  streamUsedBytes: 0,
  usedBytes: 0,
  hasMarks: false,
};
const FULL: StoreFiles = {
  stores: 14,
  reservedBytes: 8 * GIB - 3,
  streamUsedBytes: 3 * GIB,
  usedBytes: 5 * GIB,
  hasMarks: false,
};
const PLAN: StoragePlan = { streamBytes: 8 * GIB, storeBytes: 90 * GIB, isInUse: true };

function look(freeBytes: number, changes: Partial<StorageLook> = {}): StorageLook {
  const disk = { folder: '/data', freeBytes, diskBytes: 200 * GIB };
  return { ...disk, files: NOTHING, wantedBytes: undefined, ...changes };
}

describe('the first start', () => {
  it.each([
    [100 * GIB, 8 * GIB],
    [1 * GIB, Math.floor((GIB - 192 * MIB) * 0.7)],
    [300 * MIB, Math.floor(108 * MIB * 0.7)],
    [256 * MIB, 64 * MIB],
  ])('with %d bytes free gives the streams %d', (freeBytes, streamBytes) => {
    const plan = planStorage(undefined, look(freeBytes));
    expect(plan.streamBytes).toBe(streamBytes);
    expect(plan.isInUse).toBe(false);
    expect(plan.storeBytes).toBeGreaterThanOrEqual(streamBytes + LOCAL_LIMITS.otherBytes);
  });

  it('with less than the least says which disk, what is free, what is needed and the setting', () => {
    expect(() => planStorage(undefined, look(255 * MIB))).toThrow(
      /disk of \/data has 255 MiB free, .* needs 256 MiB .*LLMOS_STORAGE_BYTES.*--data/,
    );
  });

  it('gives what is asked for, as far as there is room', () => {
    const ask = { wantedBytes: 20 * GIB };
    expect(planStorage(undefined, look(100 * GIB, ask)).streamBytes).toBe(20 * GIB);
    expect(planStorage(undefined, look(10 * GIB, ask)).streamBytes).toBe(10 * GIB - 192 * MIB);
  });
});

describe('a later start', () => {
  it.each([100 * GIB, 1 * GIB, 20 * MIB])('with %d bytes free makes nothing smaller', (free) => {
    for (const wantedBytes of [undefined, 64 * MIB]) {
      const plan = planStorage(PLAN, look(free, { files: FULL, wantedBytes }));
      expect(plan.streamBytes).toBe(8 * GIB);
      expect(plan.storeBytes).toBeGreaterThanOrEqual(PLAN.storeBytes);
      expect(plan.isInUse).toBe(true);
    }
  });

  it('gives more where that is asked for, as far as there is room', () => {
    const ask = { files: FULL, wantedBytes: 20 * GIB };
    expect(planStorage(PLAN, look(100 * GIB, ask)).streamBytes).toBe(20 * GIB);
    expect(planStorage(PLAN, look(10 * GIB, ask)).streamBytes).toBe(13 * GIB - 192 * MIB);
    expect(planStorage(PLAN, look(1 * GIB, ask)).streamBytes).toBe(8 * GIB);
  });

  it('of a folder from before there were plans keeps what its streams have', () => {
    const plan = planStorage(undefined, look(1 * GIB, { files: FULL }));
    expect(plan.streamBytes).toBe(FULL.reservedBytes);
    expect(plan.storeBytes).toBeGreaterThan(FULL.reservedBytes + 2 * GIB);
    expect(plan.isInUse).toBe(true);
  });

  it('lets the server store more than everything reserves, also where all is made anew', () => {
    const small = { ...PLAN, storeBytes: 8 * GIB };
    const { storeBytes } = planStorage(small, look(0, { files: FULL }));
    expect(storeBytes).toBeGreaterThan(FULL.reservedBytes + small.streamBytes + 2 * GIB);
  });

  it('with a plan that gives the streams more than the disk has does not believe it', () => {
    const huge = { ...PLAN, streamBytes: 2 ** 52, storeBytes: 2 ** 53 - 1 };
    expect(() => planStorage(huge, look(100 * GIB, { files: FULL }))).toThrow(
      /\/data\/storage\.json gives the streams 4294967296 MiB, and its disk has 204800 MiB.*remove/,
    );
    // On a smaller disk than before, what the streams reserve stays theirs.
    const moved = look(GIB, { files: FULL, diskBytes: 4 * GIB });
    expect(planStorage(PLAN, moved).streamBytes).toBe(8 * GIB);
  });

  it('without any stream on the disk says so instead of beginning anew', () => {
    expect(() => planStorage(PLAN, look(100 * GIB))).toThrow(/store .* is gone.*storage\.json/);
    const unused = { ...PLAN, isInUse: false };
    expect(planStorage(unused, look(100 * GIB))).toMatchObject({ isInUse: false });
  });
});

describe('another version of the server', () => {
  const server = (minor: number) => ({
    path: '/bin/nats-server',
    version: { major: 2, minor, patch: 3 },
  });
  const after = (...minors: readonly number[]): StoragePlan =>
    minors.reduce((plan, minor) => planForServer(plan, server(minor)), PLAN);

  it('is recorded where it is the newest', () => {
    expect(after(9).newestServer).toEqual(server(9).version);
    expect(after(9, 15, 10, 11).newestServer).toEqual(server(15).version);
  });

  it('is refused where it would misread what a newer one wrote', () => {
    for (const newer of [10, 15]) {
      expect(() => after(newer, 9)).toThrow(
        `written by NATS 2.${newer}.3, and NATS 2.9.3 (/bin/nats-server) would misread it`,
      );
    }
    const adopted = planStorage(undefined, look(GIB, { files: { ...FULL, hasMarks: true } }));
    expect(() => planForServer(adopted, server(9))).toThrow(/written by NATS 2\.10\.0/);
  });
});

it('a full disk is named before anything is written to it', () => {
  expect(() => assertRoomToStart('/data', MIB)).toThrow(
    /disk of \/data is full: 1 MiB free.*16 MiB/,
  );
  assertRoomToStart('/data', 16 * MIB);
});

it('the setting is read as a kernel reads it', () => {
  expect(parseWantedBytes(undefined)).toBeUndefined();
  expect(parseWantedBytes('')).toBeUndefined();
  expect(parseWantedBytes('67108864')).toBe(64 * MIB);
  for (const text of ['1', '8GB', '-1', '1e9', '67108864.5', '9'.repeat(40)]) {
    expect(() => parseWantedBytes(text)).toThrow(/LLMOS_STORAGE_BYTES is "?[^ ]+: it must be/);
  }
});

it('a plan is what it was when it is read again, and whatever else is there is none', () => {
  const used = { ...PLAN, newestServer: { major: 2, minor: 15, patch: 1 } };
  for (const plan of [PLAN, used]) {
    expect(parseStoragePlan(formatStoragePlan(plan))).toEqual(plan);
  }
  const with_ = (changes: object): string => JSON.stringify({ version: 1, ...PLAN, ...changes });
  for (const text of [
    ...['', '{', 'null', '[]', '1'],
    ...[with_({ version: 2 }), with_({ streamBytes: 1 }), with_({ storeBytes: '9' })],
    ...[with_({ isInUse: 1 }), with_({ streamBytes: 1e300 })],
    ...[with_({ streamBytes: -8 * GIB }), with_({ streamBytes: 8 * GIB + 0.5 })],
    ...[with_({ streamBytes: `${8 * GIB}` }), with_({ storeBytes: null })],
    ...[with_({ server: 'new' }), with_({ server: 2 })],
  ]) {
    expect(parseStoragePlan(text)).toBeUndefined();
  }
});
