import type { LogFields } from '@llmos/base';
import { silentLogger } from '@llmos/base';
import { API_ERRORS, NatsError } from '@llmos/wire';
import type { JetStreamManager, StoredMsg } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { StrayTasks } from './stray-tasks';

const { strayLookMs, maxListedSubjects, maxStrayReads } = EDGE_LIMITS;
const STRAY = 'llmos.v1.task.batch.acme.>';

/** A stream of tasks by sequence; `more` subjects of its are not in it. */
function setUp({ more = 0 } = {}) {
  const stored = new Map<number, string>();
  const world = { more, lists: 0, isDeletable: true };
  const messageOf = (seq: number): StoredMsg => {
    const subject = stored.get(seq) ?? '';
    return { seq, subject, time: new Date(0), data: new Uint8Array(1) } as StoredMsg;
  };
  const info = (_stream: string, options?: { readonly subjects_filter: string }) => {
    if (options !== undefined) world.lists += 1;
    const subjects: Record<string, number> = {};
    for (const subject of stored.values()) subjects[subject] = (subjects[subject] ?? 0) + 1;
    const num_subjects = world.more + Object.keys(subjects).length;
    return Promise.resolve({
      state: { num_subjects, ...(options === undefined ? {} : { subjects }) },
    });
  };
  const getMessage = (_stream: string, { seq }: { readonly seq: number }) => {
    const found = [...stored.keys()].filter((each) => each >= seq).sort((a, b) => a - b)[0];
    return found === undefined ? Promise.reject(noMessage()) : Promise.resolve(messageOf(found));
  };
  const deleteMessage = (_stream: string, seq: number) => {
    if (!world.isDeletable) return Promise.reject(new Error('away'));
    return Promise.resolve(stored.delete(seq));
  };
  const manager = { streams: { info, getMessage, deleteMessage } } as unknown as JetStreamManager;
  const ended: number[] = [];
  const told: (LogFields | undefined)[] = [];
  let letEnd: Promise<void> = Promise.resolve();
  const strays = new StrayTasks({
    manager,
    log: { ...silentLogger, info: (_event: string, fields?: LogFields) => void told.push(fields) },
    onStray: async (stray) => {
      ended.push(stray.seq);
      expect(Object.keys(stray)).toEqual(['subject', 'seq', 'time']);
      await letEnd;
    },
  });
  const holdEnds = (): (() => void) => {
    let letGo: () => void = () => undefined;
    letEnd = new Promise((resolve) => (letGo = resolve));
    return letGo;
  };
  return { stored, world, strays, ended, told, messageOf, holdEnds };
}

function noMessage(): NatsError {
  const error = new NatsError('none', '404', undefined);
  error.api_error = { code: 404, err_code: API_ERRORS.noMessageFound, description: 'none' };
  return error;
}

const turn = (): Promise<void> => jest.advanceTimersByTimeAsync(0);
const look = (): Promise<void> => jest.advanceTimersByTimeAsync(strayLookMs);

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

it('ends and removes tasks that the server gives to nobody, and leaves all others', async () => {
  const { stored, strays, ended } = setUp();
  stored.set(1, 'llmos.v1.task.batch.acme.echo').set(2, STRAY).set(3, STRAY);
  strays.begin();
  await look();
  strays.end();
  expect([ended, [...stored.keys()]]).toEqual([[2, 3], [1]]);
});

it('asks for no list of more subjects than it may, says so once, and lists again later', async () => {
  const { stored, world, strays, ended, told } = setUp({ more: maxListedSubjects });
  stored.set(7, STRAY);
  strays.begin();
  await look();
  await look();
  const subjects = maxListedSubjects + 1;
  expect({ lists: world.lists, ended, told }).toEqual({
    lists: 0,
    ended: [],
    told: [{ subjects }],
  });
  world.more -= 1;
  await look();
  strays.end();
  expect({ lists: world.lists, ended, told }).toMatchObject({ ended: [7], told: [{ subjects }] });
  expect(stored.size).toBe(0);
});

it('ends what others come upon, each once at a time, also one that could not be removed', async () => {
  const { stored, world, strays, ended, messageOf, holdEnds } = setUp({ more: maxListedSubjects });
  stored.set(1, 'llmos.v1.task.batch.acme.echo').set(2, STRAY);
  strays.begin();
  expect(strays.take(messageOf(1))).toBe(false);
  const letGo = holdEnds();
  world.isDeletable = false;
  expect([strays.take(messageOf(2)), strays.take(messageOf(2))]).toEqual([true, true]);
  letGo();
  await turn();
  expect([ended, stored.size]).toEqual([[2], 2]);
  world.isDeletable = true;
  expect(strays.take(messageOf(2))).toBe(true);
  await turn();
  expect([ended, stored.size]).toEqual([[2, 2], 1]);
  strays.end();
  stored.set(3, STRAY);
  expect(strays.take(messageOf(3))).toBe(false);
});

it('waits for the ends of no more than one look may meet', async () => {
  const { stored, strays, ended, messageOf, holdEnds } = setUp();
  const letGo = holdEnds();
  for (let sequence = 1; sequence <= maxStrayReads + 5; sequence += 1) {
    stored.set(sequence, STRAY);
    expect(strays.take(messageOf(sequence))).toBe(true);
  }
  expect(ended).toHaveLength(maxStrayReads);
  letGo();
  await turn();
  expect(stored.size).toBe(5);
});

it('remembers what it could not end, and ends it at its next look, list or none', async () => {
  const { stored, world, strays, ended, messageOf } = setUp({ more: maxListedSubjects });
  stored.set(2, STRAY);
  strays.begin();
  world.isDeletable = false;
  expect([strays.take(messageOf(2)), strays.pending]).toEqual([true, 1]);
  await look();
  expect([ended, strays.pending]).toEqual([[2, 2], 1]);
  world.isDeletable = true;
  await look();
  expect([ended, stored.size, strays.pending]).toEqual([[2, 2, 2], 0, 0]);
  strays.end();
});
