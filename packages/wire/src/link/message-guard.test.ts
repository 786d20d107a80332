import { silentLogger, SkippedMessages } from '@llmos/base';
import type { LostMessage } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import { guardCallback, guardMessages } from './message-guard';
import { readHeaders, statusOf } from './message-headers';
import { checkAnswerSize, guardPublishes } from './publish-guard';

const message = { subject: 'a.b', data: new Uint8Array() };

function fail(): never {
  throw new TypeError('bad header');
}

describe('guarded messages', () => {
  it('skips a message that its callback throws on, tells of it, and hears the next one', () => {
    const skipped: LostMessage[] = [];
    const heard: string[] = [];
    const callbacks: ((error: Error | null, msg: typeof message) => unknown)[] = [];
    const connection = {
      subscribe(
        _subject: string,
        options: { callback?: (error: Error | null, msg: typeof message) => unknown },
      ): void {
        if (options.callback !== undefined) callbacks.push(options.callback);
      },
    };
    guardMessages(connection, (lost) => skipped.push(lost));
    connection.subscribe('a.*', {
      callback: (_error, { subject }) => {
        if (heard.push(subject) === 1) fail();
      },
    });
    const [callback] = callbacks;
    callback?.(null, message);
    callback?.(null, message);
    expect(heard).toHaveLength(2);
    expect(skipped).toEqual([{ subject: 'a.b', reason: 'bad header' }]);
  });

  it('tells of a callback that fails later, and of one that was given no message', async () => {
    const skipped: LostMessage[] = [];
    const later = guardCallback<typeof message>(
      () => Promise.reject(new Error('later')),
      (lost) => skipped.push(lost),
    );
    later(null, message);
    await Promise.resolve();
    const none = guardCallback<typeof message>(fail, (lost) => skipped.push(lost));
    none(new Error('denied'), {} as typeof message);
    expect(skipped.map(({ reason }) => reason)).toEqual(['later', 'bad header']);
    expect(skipped[1]?.subject).toBe('');
  });
});

describe('headers', () => {
  it('are read in any case, the first of several, and none where they are malformed', () => {
    const headers = new Map([
      ['Llmos-Id', ['a', 'b']],
      ['llmos-id', ['c']],
    ]);
    expect(readHeaders(() => headers).get('LLMOS-ID')).toBe('a');
    expect(readHeaders(() => undefined)).toMatchObject({ isReadable: true });
    expect(readHeaders(fail)).toMatchObject({ isReadable: false });
    expect(readHeaders(fail).get('Llmos-Id')).toBeUndefined();
  });

  it('have no status where they are malformed, or where there is a body', () => {
    const malformed = Object.defineProperty({ ...message }, 'headers', { get: fail });
    expect(statusOf(malformed)).toBe(0);
    expect(statusOf({ ...message, headers: { code: 404 } })).toBe(404);
    expect(statusOf({ ...message, data: new Uint8Array(1), headers: { code: 404 } })).toBe(0);
  });
});

describe('guarded publishes', () => {
  it('tell of what can’t be sent, and say nothing once the connection is closed', () => {
    const unsent: LostMessage[] = [];
    let isClosed = false;
    const connection = { publish: (_subject: string): void => fail(), isClosed: () => isClosed };
    guardPublishes(connection, (lost) => unsent.push(lost));
    connection.publish('x');
    isClosed = true;
    connection.publish('y');
    expect(unsent).toEqual([{ subject: 'x', reason: 'bad header' }]);
  });

  it('an answer above the limit is an error that names both sizes, and is final', () => {
    const connection = { info: { max_payload: 1_512 } };
    expect(checkAnswerSize(1_000, connection)).toBeUndefined();
    expect(checkAnswerSize(1_001, connection)).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      retryable: false,
      details: { bytes: 1_001, limitBytes: 1_000 },
    });
  });
});

it('the log hears of the first lost message at once, and of the others together', () => {
  const lines: unknown[] = [];
  const log = {
    ...silentLogger,
    warn: (event: string, fields?: object) => lines.push([event, fields]),
  };
  const clock = manualClock();
  const messages = new SkippedMessages({ log, clock });
  const long = { subject: 's'.repeat(10_000), reason: 'r' };
  for (let index = 0; index < 1_000; index += 1) messages.note(long);
  expect(lines).toHaveLength(1);
  clock.advance(10_000);
  messages.note({ subject: 'last', reason: 'r' });
  expect(lines).toEqual([
    ['message-skipped', { subject: 's'.repeat(256), reason: 'r', messages: 1 }],
    ['message-skipped', { subject: 'last', reason: 'r', messages: 1_000 }],
  ]);
  expect(messages.count).toBe(1_001);
});
