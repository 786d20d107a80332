import { seededRandom } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import type { TaskId, TenantId } from '@llmos/base';
import type { ClientContext } from './client-context';
import type { ReadOutcome, StoredMessage } from './ports/stored-messages';
import { walkStored } from './stored-walk';
import { createMemoryLink } from './testing';

function message(sequence: number): StoredMessage {
  const subject = 'llmos.v1.event.default.task.a.completed';
  const body = new Uint8Array();
  const header = (): undefined => undefined;
  return { sequence, subject, body, contentType: undefined, storedWallMs: 0, header };
}

/** A stream in memory; each wait of the walker runs `onWait` instead of taking time. */
function walker(stored: StoredMessage[], onWait: () => void = () => undefined) {
  let read = async (fromSequence: number): Promise<ReadOutcome> => {
    const found = stored.find((each) => each.sequence >= fromSequence);
    return found === undefined ? { kind: 'absent' } : { kind: 'found', message: found };
  };
  const clock = manualClock();
  const link = createMemoryLink(() => ({ kind: 'silent' }));
  const context: ClientContext = {
    tenant: 'default' as TenantId,
    principal: 'default' as TenantId,
    timeoutMs: 1_000,
    link,
    stored: {
      readLast: async () => ({ kind: 'absent' }),
      readNext: (of) => read(of.fromSequence),
      readStream: async () => ({ kind: 'absent' }),
      purge: async () => ({ kind: 'purged', removed: 0 }),
      remove: async () => ({ kind: 'absent' }),
    },
    clock,
    random: seededRandom(1),
    createDoorbell: () => ({ ring: () => undefined, wait: async () => onWait() }),
    newTaskId: () => 'a' as TaskId,
    callerId: () => undefined,
  };
  const fail = (reason: string): void => {
    read = async () => ({ kind: 'unavailable', reason });
  };
  const walk = (follows: boolean, signal?: AbortSignal, untilMs?: number) =>
    walkStored(context, {
      what: 'reading events',
      stream: 'LLMOS_EVENTS',
      subject: 'llmos.v1.event.*.*.*.*',
      fromSequence: -5,
      follows,
      signal,
      ...(untilMs === undefined ? {} : { untilMs }),
    });
  return { walk, fail, link, clock };
}

async function sequencesOf(walk: AsyncIterable<StoredMessage>): Promise<number[]> {
  const sequences: number[] = [];
  for await (const { sequence } of walk) sequences.push(sequence);
  return sequences;
}

it('gives every stored message once, over gaps, and ends', async () => {
  const { walk } = walker([message(2), message(3), message(9)]);
  expect(await sequencesOf(walk(false))).toEqual([2, 3, 9]);
});

it('goes on with what is stored later, also where nobody announced it', async () => {
  const stored = [message(1)];
  let waits = 0;
  const { walk } = walker(stored, () => {
    waits += 1;
    if (waits === 2) stored.push(message(4));
  });
  const following = walk(true);
  expect((await following.next()).value).toMatchObject({ sequence: 1 });
  expect((await following.next()).value).toMatchObject({ sequence: 4 });
  expect(waits).toBe(2);
  expect(await following.return()).toEqual({ done: true, value: undefined });
});

it('ends with CANCELLED when its signal aborts', async () => {
  const controller = new AbortController();
  const { walk } = walker([], () => controller.abort());
  await expect(walk(true, controller.signal).next()).rejects.toMatchObject({ code: 'CANCELLED' });
});

it('gives up a stream that stays unreadable, naming it', async () => {
  const { walk, fail } = walker([]);
  fail('no-responders');
  await expect(sequencesOf(walk(false))).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: 'reading events: LLMOS_EVENTS no-responders',
  });
});

it('ends with DEADLINE_EXCEEDED when its time is over, naming it', async () => {
  const { walk, clock } = walker([message(1)], () => clock.advance(30));
  const walking = walk(true, undefined, clock.nowMs() + 50);
  expect((await walking.next()).value).toMatchObject({ sequence: 1 });
  await expect(walking.next()).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    message: 'reading events took longer than 50 ms',
  });
});
