/** Whole messages with damaged headers, subjects and bodies, as the guards of all programs see them. */
import { silentLogger } from '@llmos/base';
import type { LostMessage } from '@llmos/base';
import { guardCallback, readHeaders, statusOf, watchBucket } from '@llmos/wire';
import type { BucketMessage } from '@llmos/wire';
import { headers as newHeaders } from 'nats';
import type { MsgHdrs } from 'nats';
import type { FuzzParser } from '../fuzz';
import { promise } from '../fuzz';
import type { FuzzSource } from '../fuzz-source';

/** The client's own decoder, which throws on what is not allowed. */
const { decode } = newHeaders().constructor as unknown as {
  decode: (bytes: Uint8Array) => MsgHdrs;
};

const BLOCKS: readonly Uint8Array[] = [
  'NATS/1.0\r\nLlmos-Id: order-17\r\nLlmos-Priority: 5\r\n\r\n',
  'NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n',
  'NATS/1.0\r\nbad name: x\r\nLlmos-Id: a\r\n\r\n',
  'NATS/1.0 404 No Messages\r\n\r\n',
  'NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\n\r\n',
].map((text) => Buffer.from(text));
const ROWS = [{ name: 'mini-encoder', version: '1' }];

function hostileMessage(source: FuzzSource, reply: string): BucketMessage {
  const block = source.bytes(BLOCKS);
  return {
    subject: source.text(['$KV.things.middle', 'llmos.v1.report.n1.p1']),
    reply,
    data: source.random.chance(0.3) ? new Uint8Array() : source.json(ROWS),
    get headers() {
      return decode(block);
    },
  };
}

function feedGuard(source: FuzzSource): void {
  const message = hostileMessage(source, source.text(['_INBOX.abc.1']));
  const skipped: LostMessage[] = [];
  const touch = (_error: Error | null, { headers }: BucketMessage): unknown => headers?.code;
  guardCallback(touch, (lost) => skipped.push(lost))(null, message);
  const { get, isReadable } = readHeaders(() => message.headers);
  promise(isReadable === (skipped.length === 0), 'readable for one, and not for the other');
  promise(typeof (get('llmos-id') ?? '') === 'string', 'a header that is no text');
  promise(Number.isFinite(statusOf(message)), 'a status that is no number');
}

const replyOf = (number: number, pending: number): string =>
  `$JS.ACK.KV_things.c.1.${number}.${number}.1700000000000000000.${pending}`;

/** One damaged row, or message of another kind, between two that are whole. */
function feedBucket(source: FuzzSource): void {
  let take: (error: Error | null, message: BucketMessage) => void = () => undefined;
  let keys: readonly string[] | undefined;
  const watch = watchBucket<unknown>({
    connection: {
      subscribe: (_subject, { callback }) => {
        take = callback;
        return { unsubscribe: () => undefined };
      },
      publish: () => undefined,
      request: () => new Promise(() => undefined),
      status: () => ({
        [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }),
      }),
      isClosed: () => false,
    },
    createInbox: () => '_INBOX.x',
    bucket: 'things',
    read: ({ value }) => JSON.parse(Buffer.from(value).toString()) as unknown,
    maxRows: 10,
    log: silentLogger,
    onSkipped: () => undefined,
    onRows: (rows) => (keys = [...rows.keys()]),
  });
  const whole = (key: string, reply: string): BucketMessage => ({
    subject: `$KV.things.${key}`,
    reply,
    data: Buffer.from('{}'),
  });
  const isOdd = source.random.chance(0.2);
  take(null, whole('first', replyOf(1, 2)));
  take(null, hostileMessage(source, isOdd ? source.text([replyOf(2, 1)]) : replyOf(2, 1)));
  take(null, whole('last', replyOf(3, 0)));
  watch.close();
  promise(isOdd || keys?.includes('last') === true, 'a damaged row that hid the next one');
}

export const GUARD_PARSERS: readonly FuzzParser[] = [
  { name: 'guarded-messages', feed: feedGuard },
  { name: 'bucket-rows', feed: feedBucket },
];
