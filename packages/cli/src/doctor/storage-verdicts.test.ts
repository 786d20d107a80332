import { STREAMS } from '@llmos/base';
import {
  adviceForSilence,
  adviceForStreams,
  checkDisk,
  checkTimeUntilFull,
} from './storage-verdicts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const on = (freeBytes: number) => ({ folder: '/data', freeBytes });

describe('the disk', () => {
  it.each([
    [10 * GIB, 'ok'],
    [2 * GIB, 'warning'],
    [0.1 * GIB, 'problem'],
  ])('with %d bytes free, before a system was begun, is judged as %s', (freeBytes, state) => {
    expect(checkDisk(on(freeBytes)).state).toBe(state);
  });

  const store = { streamBytes: 8 * GIB, streamUsedBytes: 6 * GIB };
  it.each([
    [3 * GIB, 'ok', undefined],
    [1 * GIB, 'warning', /make room: the disk is full 1\.0 GiB before the streams are/],
    [100 * MIB, 'problem', /soon nothing more can be stored/],
    [3 * MIB, 'problem', /disk of \/data is full \(3\.0 MiB free\).*`llmos up` then goes on/],
  ])('with %d bytes free beside streams that may grow is judged as %s', (free, state, advice) => {
    const check = checkDisk(on(free), store);
    expect(check.state).toBe(state);
    expect(check.found).toContain('the streams hold 6.0 GiB of 8.0 GiB');
    if (advice === undefined) expect(check.advice).toBeUndefined();
    else expect(check.advice).toMatch(advice);
  });

  it('that is full is the reason of silence, and nothing else is advised', () => {
    expect(adviceForSilence('start one', on(MIB))).toMatch(/is full.*make room/);
    expect(adviceForSilence('start one', on(GIB))).toBe('start one');
    expect(adviceForSilence('start one', undefined)).toBe('start one');
  });
});

describe('streams that can’t be listed', () => {
  it('are made by a kernel, but not while the servers of a cluster have no majority', () => {
    const alone = 'stream LLMOS_TASKS JetStream system temporarily unavailable';
    expect(adviceForStreams(alone, undefined)).toMatch(/no majority: start those that don’t run/);
    expect(adviceForStreams('stream not found', undefined)).toMatch(/kernels make them/);
    expect(adviceForStreams(alone, on(MIB))).toMatch(/is full.*make room/);
  });
});

describe('the time until full', () => {
  const level = (name: string, bytes: number, discard = 'new') => ({
    ...{ name, bytes, discard },
    maxBytes: 100 * MIB,
  });
  const looks = (gains: Readonly<Record<string, number>>, discard = 'new') => ({
    first: Object.keys(gains).map((name) => level(name, 40 * MIB, discard)),
    second: Object.entries(gains).map(([name, by]) => level(name, 40 * MIB + by, discard)),
    elapsedMs: 2_000,
  });

  it('is that of the first that is full', () => {
    const check = checkTimeUntilFull(looks({ [STREAMS.tasks]: MIB, [STREAMS.results]: 10 * MIB }));
    expect(check).toMatchObject({
      state: 'warning',
      found: `${STREAMS.results} in 10 s, at the present 5.0 MiB a second`,
      advice: expect.stringContaining('llmos results prune') as string,
    });
    const slow = checkTimeUntilFull(looks({ [STREAMS.tasks]: 10 }));
    expect(slow).toMatchObject({ state: 'ok', found: expect.stringMatching(/in \d+ days/) });
  });

  it('may be that of the disk, also where streams drop the old', () => {
    const dropping = looks({ [STREAMS.streams]: 2 * MIB }, 'old');
    expect(checkTimeUntilFull(dropping).state).toBe('ok');
    expect(checkTimeUntilFull({ ...dropping, disk: on(600 * MIB) })).toMatchObject({
      state: 'warning',
      found: 'the disk of /data in 10 min, at the present 1.0 MiB a second',
    });
  });

  it('is not known where nothing grows, or a stream is new or smaller', () => {
    expect(checkTimeUntilFull(looks({ [STREAMS.tasks]: -MIB })).found).toBe(
      'nothing grows just now',
    );
    const isNew = { ...looks({ [STREAMS.tasks]: MIB }), first: [] };
    expect(checkTimeUntilFull(isNew).state).toBe('ok');
  });
});
