import { LlmosError } from '@llmos/base';
import type { TaskId } from '@llmos/base';
import type { TaskOptions } from './call-options';
import { checkTaskOptions, checkWait } from './call-options';
import { encodeCallInput, encodeInput, headersOfLargeInput } from './task-body';

const newId = (): TaskId => 'new1' as TaskId;

it('writes every option as its header', () => {
  const checked = checkTaskOptions(
    {
      id: 'mine',
      class: 'batch',
      priority: 0,
      deadline: new Date(1_800_000_000_000),
      key: 'k',
      maxAttempts: 2,
      parent: 'p',
      root: 'r',
      traceparent: '00-ab-cd-01',
      timeoutMs: 5,
    },
    newId,
  );
  expect(checked.headers).toEqual({
    'Llmos-Id': 'mine',
    'Llmos-Class': 'batch',
    'Llmos-Priority': '0',
    'Llmos-Key': 'k',
    'Llmos-Max-Attempts': '2',
    'Llmos-Parent': 'p',
    'Llmos-Root': 'r',
    traceparent: '00-ab-cd-01',
  });
  expect(checked.timeoutMs).toBe(5);
});

it('gives a task without an id a new one', () => {
  expect(checkTaskOptions({}, newId).headers).toEqual({ 'Llmos-Id': 'new1' });
});

it.each<[TaskOptions, string]>([
  [{ id: 'a.b' }, 'id is "a.b"'],
  [{ id: 'a\r\nPUB x' }, 'id is "a'],
  [{ key: '' }, 'key is ""'],
  [{ priority: 10 }, 'priority is 10'],
  [{ priority: 1.5 }, 'priority is 1.5'],
  [{ timeoutMs: 0 }, 'timeoutMs is 0'],
  [{ timeoutMs: 1e12 }, 'timeoutMs is 1000000000000'],
  [{ class: 'urgent' as 'batch' }, 'class is "urgent"'],
  [{ deadline: Number.NaN }, 'deadline is "NaN"'],
  [{ maxAttempts: 101 }, 'maxAttempts is 101'],
  [{ traceparent: 'a\nb' }, 'traceparent is'],
  [{ traceparent: 1 as unknown as string }, 'traceparent is 1'],
  [{ signal: new AbortController() as unknown as AbortSignal }, 'signal is {}'],
  [{ signal: null as unknown as AbortSignal }, 'signal is null'],
  [null as unknown as TaskOptions, 'options are null'],
  [5_000 as unknown as TaskOptions, 'options are 5000'],
])('refuses %j and names the value', (options, message) => {
  expect(() => checkTaskOptions(options, newId)).toThrow(message);
  expect(() => checkTaskOptions(options, newId)).toThrow(LlmosError);
});

it('fills in how long a wait lasts, and refuses what is no time or signal', () => {
  const { signal } = new AbortController();
  expect(checkWait({}, 7)).toEqual({ timeoutMs: 7, signal: undefined });
  expect(checkWait({ timeoutMs: 5, signal }, 7)).toEqual({ timeoutMs: 5, signal });
  expect(() => checkWait({ timeoutMs: 0 }, 7)).toThrow('timeoutMs is 0');
  expect(() => checkWait({ signal: 'x' as unknown as AbortSignal }, 7)).toThrow('signal is "x"');
  expect(() => checkWait(undefined as unknown as object, 7)).toThrow('options are undefined');
});

it('refuses an input that is larger than the server takes, naming both sizes', () => {
  const input = { text: 'x'.repeat(200_000) };
  const limitBytes = 128 * 1024;
  expect(() => encodeInput('embed', input, limitBytes + 64 * 1024)).toThrow(
    `has 200011 bytes; at most ${limitBytes} fit`,
  );
});

it.each([[undefined], [() => 1], [1n], [{ n: 1n }]])(
  'refuses %p, which has no JSON form',
  (input) => {
    expect(() => encodeInput('echo', input, 1e6)).toThrow('no JSON form');
  },
);

it('names model and key of a large input in headers, and of a small one not', () => {
  const input = { model: 'm@1', key: 'k', inputs: {} };
  expect(headersOfLargeInput(input, 100)).toEqual({});
  const headers = { 'Llmos-Model': 'm@1', 'Llmos-Key': 'k' };
  expect(headersOfLargeInput(input, 100_000)).toEqual(headers);
  expect(headersOfLargeInput({ model: 'a b' }, 100_000)).toEqual({});
});

it('packs the input of a call to embed, and only that', () => {
  const packed = encodeCallInput('embed', { model: 'm', text: 'hi' }, 1e6);
  expect(packed.headers).toEqual({ 'Content-Type': 'application/x-protobuf' });
  expect(Buffer.from(packed.body).toString('hex')).toBe('0a016d12026869');
  for (const [name, input] of [
    ['embed', { model: 'm', text: 7 }],
    ['classify', { model: 'm', text: 'hi' }],
  ] as const) {
    expect(encodeCallInput(name, input, 1e6)).toEqual(encodeInput(name, input, 1e6));
  }
  const long = { text: 'x'.repeat(1000) };
  expect(() => encodeCallInput('embed', long, 64 * 1024)).toThrow('at most');
});
