import { MsgHdrsImpl } from 'nats';
import { useLeanHeaders } from './lean-headers';
import { headersOf, readHeaders, statusOf } from './message-headers';

/** Names that differ, as short as can be. */
function blockOf(count: number): Uint8Array {
  const names = Array.from({ length: count }, (_, n) => n.toString(36));
  return Buffer.from(`NATS/1.0\r\n${names.map((name) => `${name}:`).join('\r\n')}\r\n\r\n`);
}

/** Names that are looked at while `act` runs. */
function visitsOf(act: () => void): number {
  let visits = 0;
  const { prototype } = MsgHdrsImpl as { prototype: { keys: (this: MsgHdrsImpl) => string[] } };
  const { keys } = prototype;
  const spy = jest.spyOn(prototype, 'keys').mockImplementation(function (this: MsgHdrsImpl) {
    const found = keys.call(this);
    visits += found.length;
    return found;
  });
  act();
  spy.mockRestore();
  return visits;
}

/** What the client makes of it, and every way to look at it. */
function looksAt(block: string): unknown[] {
  try {
    const found = MsgHdrsImpl.decode(Buffer.from(block));
    const names = ['Llmos-Id', 'llmos-id', 'LLMOS-ID', 'none', 'a', 'A'];
    return [
      ...[0, 1, 2].map((match) =>
        names.map((name) => [found.get(name, match), found.values(name, match), found.has(name)]),
      ),
      [...found],
      found.toRecord(),
      found.toString(),
      [found.code, found.description],
    ];
  } catch (error) {
    return ['thrown', String(error)];
  }
}

const BLOCKS = [
  'NATS/1.0\r\nLlmos-Id: one\r\nllmos-id: two\r\nLlmos-Id: three\r\na:\r\nA: 1\r\n\r\n',
  'NATS/1.0 503 No Responders\r\n\r\n',
  'NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\n\r\n',
  'NATS/1.0\r\n\r\n',
  'NATS/1.0\r\nno colon\r\n: no name\r\n__proto__: x\r\n\r\n',
  'NATS/1.0\r\nbad name: x\r\n\r\n',
  'NATS/1.0\r\nfine: x\r\nn\u00e4me: x\r\n\r\n',
  'NATS/1.0\r\nfine: a\rb\r\n\r\n',
];
/** Before anything is replaced. */
const BY_THE_CLIENT = BLOCKS.map(looksAt);

beforeAll(() => {
  useLeanHeaders(MsgHdrsImpl);
  useLeanHeaders(MsgHdrsImpl);
});

it('looks at no name twice, however many there are', () => {
  for (const count of [12_000, 175_000]) {
    const block = blockOf(count);
    let found: MsgHdrsImpl | undefined;
    expect(visitsOf(() => (found = MsgHdrsImpl.decode(block)))).toBeLessThanOrEqual(count);
    expect(found?.size()).toBe(count);
    const last = (count - 1).toString(36);
    const { get, isReadable } = readHeaders(() => found);
    expect({ isReadable, last: get(last), none: get('-') }).toEqual({
      isReadable: true,
      last: '',
      none: undefined,
    });
    expect(visitsOf(() => found?.set(last, 'x'))).toBe(0);
    expect(found?.get(last)).toBe('x');
  }
});

it('reads all else as the client does', () => {
  expect(BLOCKS.map(looksAt)).toEqual(BY_THE_CLIENT);
});

it('reads no headers beyond a limit, and says so as of those that can’t be read', () => {
  const touched = jest.fn(() => undefined);
  const messageOf = (bytes: number) => ({
    subject: 'of.a.message',
    data: new Uint8Array(5),
    size: () => 'of.a.message'.length + bytes + 5,
    get headers() {
      return touched();
    },
  });
  expect(readHeaders(() => headersOf(messageOf(131_072))).isReadable).toBe(true);
  expect(touched).toHaveBeenCalledTimes(1);
  expect(readHeaders(() => headersOf(messageOf(131_073))).isReadable).toBe(false);
  expect(touched).toHaveBeenCalledTimes(1);

  useLeanHeaders(MsgHdrsImpl, 1_000);
  const small = blockOf(100);
  const large = blockOf(1_000);
  expect(readHeaders(() => MsgHdrsImpl.decode(small)).isReadable).toBe(true);
  expect(readHeaders(() => MsgHdrsImpl.decode(large)).isReadable).toBe(false);
  const headed = {
    subject: 'any',
    data: new Uint8Array(),
    get headers() {
      return MsgHdrsImpl.decode(large);
    },
  };
  expect(statusOf(headed)).toBe(0);
});
