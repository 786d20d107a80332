import { GUARD_LIMITS } from '@llmos/base';
import type { AnswerMessage, RequestEnd, TableOptions } from './request-table';
import { RequestTable } from './request-table';

type End = RequestEnd<AnswerMessage>;
type Answer = (error: Error | null, message: AnswerMessage) => void;

const NO_BODY = new Uint8Array();
const SOME_BODY = Uint8Array.of(1);

/** A table, what it subscribed to, and how its requests ended. */
class Desk {
  readonly subscribed: string[] = [];
  readonly replies: string[] = [];
  readonly ends: End[] = [];
  readonly table: RequestTable<AnswerMessage>;
  private hear: Answer = () => undefined;

  constructor(whenInboxDenied: TableOptions<AnswerMessage>['whenInboxDenied'] = 'end') {
    this.table = new RequestTable({
      inbox: 'in',
      subscribe: (subject, { callback }) => {
        this.subscribed.push(subject);
        this.hear = callback;
      },
      whenInboxDenied,
    });
  }

  ask(subject = 'any', send: (reply: string) => void = () => undefined): string {
    const sendNoted = (reply: string): void => {
      this.replies.push(reply);
      send(reply);
    };
    const request = { subject, waitMs: 1_000, send: sendNoted };
    return this.table.request(request, (end) => this.ends.push(end));
  }

  answer(message: Partial<AnswerMessage> = {}): void {
    this.hear(null, { subject: this.replies.at(-1) ?? '', data: SOME_BODY, ...message });
  }

  answerUnreadable(): void {
    this.hear(null, {
      subject: this.replies.at(-1) ?? '',
      data: NO_BODY,
      get headers(): { readonly code: number } {
        throw new Error('foreign headers');
      },
    });
  }

  refuseInbox(error: Error): void {
    // The client gives an empty object for a message where it gives an error.
    this.hear(error, {} as AnswerMessage);
  }

  get kinds(): string[] {
    return this.ends.map(({ kind }) => kind);
  }
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

it('listens once, before it sends, and gives each request a reply subject of its own', () => {
  const desk = new Desk();
  const seen: number[] = [];
  desk.ask('a', () => seen.push(desk.subscribed.length));
  desk.ask('b', () => seen.push(desk.subscribed.length));
  expect(seen).toEqual([1, 1]);
  expect(desk.subscribed).toEqual(['in.*']);
  expect(new Set(desk.replies).size).toBe(2);
  expect(desk.replies.every((reply) => reply.startsWith('in.'))).toBe(true);
});

it('hands on the first answer, and nothing after it', () => {
  const desk = new Desk();
  const token = desk.ask();
  desk.answer();
  desk.answer();
  desk.table.abort(token);
  desk.table.endAll({ kind: 'closed' });
  jest.advanceTimersByTime(2_000);
  expect(desk.ends).toEqual([
    { kind: 'answered', message: { subject: desk.replies[0], data: SOME_BODY } },
  ]);
  expect(desk.table.size).toBe(0);
  expect(jest.getTimerCount()).toBe(0);
});

it('takes an answer that is nobody’s for nothing', () => {
  const desk = new Desk();
  desk.ask();
  desk.answer({ subject: 'in.zz' });
  expect([desk.kinds, desk.table.size]).toEqual([[], 1]);
});

it('tells apart that nobody listens, an empty answer and one that can’t be read', () => {
  const desk = new Desk();
  desk.ask();
  desk.answer({ data: NO_BODY, headers: { code: 503 } });
  desk.ask();
  desk.answer({ data: SOME_BODY, headers: { code: 503 } });
  desk.ask();
  desk.answer({ data: NO_BODY });
  desk.ask();
  desk.answerUnreadable();
  expect(desk.kinds).toEqual(['no-responders', 'answered', 'answered', 'answered']);
});

it('decodes no headers beyond the limit of what is read', () => {
  const desk = new Desk();
  const large = { size: (): number => GUARD_LIMITS.maxHeaderBytes + 100 };
  desk.ask();
  desk.answer({ data: NO_BODY, headers: { code: 503 }, ...large });
  expect(desk.kinds).toEqual(['answered']);
});

it('ends a request by its limit, and by its caller', () => {
  const desk = new Desk();
  desk.ask();
  jest.advanceTimersByTime(999);
  expect(desk.kinds).toEqual([]);
  jest.advanceTimersByTime(1);
  desk.table.abort(desk.ask());
  expect(desk.kinds).toEqual(['timed-out', 'aborted']);
});

it('ends every request on a subject that the server refuses, and no other', () => {
  const desk = new Desk();
  for (const subject of ['secret', 'open', 'secret']) desk.ask(subject);
  desk.table.deny('secret');
  expect(desk.ends).toEqual([
    { kind: 'denied', subject: 'secret' },
    { kind: 'denied', subject: 'secret' },
  ]);
  expect(desk.table.size).toBe(1);
});

it('ends what could not be written at once, with its reason', () => {
  const desk = new Desk();
  const error = new Error('too large');
  desk.ask('any', () => {
    throw error;
  });
  expect(desk.ends).toEqual([{ kind: 'unsent', error }]);
  expect(jest.getTimerCount()).toBe(0);
});

it('asks for the inbox again after the server refused it', () => {
  const ending = new Desk('end');
  const waiting = new Desk('wait');
  const error = new Error('no such inbox');
  for (const desk of [ending, waiting]) {
    desk.ask();
    desk.refuseInbox(error);
    desk.ask();
    desk.answer();
  }
  expect(ending.ends[0]).toEqual({ kind: 'inbox-denied', error });
  expect(ending.kinds).toEqual(['inbox-denied', 'answered']);
  expect(waiting.kinds).toEqual(['answered']);
  expect([ending.subscribed.length, waiting.subscribed.length]).toEqual([2, 2]);
});

it('ends all that are pending, and not what is asked while they end', () => {
  const desk = new Desk();
  const asked = { subject: 'any', waitMs: 1_000, send: () => undefined };
  desk.table.request(asked, () => desk.ask());
  desk.ask();
  desk.table.endAll({ kind: 'interrupted' });
  expect([desk.kinds, desk.table.size]).toEqual([['interrupted'], 1]);
});

it('lets go of what waited for an answer, though a former table of its map stays', () => {
  const desk = new Desk();
  const token = desk.ask();
  const { pending } = desk.table as unknown as { pending: Map<string, { settle: unknown }> };
  const entry = pending.get(token);
  const held = entry?.settle;
  desk.answer();
  expect(entry?.settle).not.toBe(held);
  expect(entry).toMatchObject({ timer: undefined });
});
