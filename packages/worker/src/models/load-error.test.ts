import { LlmosError } from '@llmos/base';
import { loadError } from './load-error';

const graph = (reason: string) =>
  new LlmosError('FAILED_PRECONDITION', `the graph can't be loaded: ${reason}`, {
    cause: new Error(reason),
  });
const system = (code: string) => Object.assign(new Error(`${code}: it failed`), { code });

it.each([
  ['memory, as the C++ library says it', graph('std::bad_alloc')],
  ['memory, as the runtime says it', graph('Failed to allocate memory for requested buffer')],
  ['memory of a GPU', graph('Out of memory: device buffer')],
  ['memory of the heap', new RangeError('Array buffer allocation failed')],
  ['memory of a thread', Object.assign(new Error('limit'), { code: 'ERR_WORKER_OUT_OF_MEMORY' })],
  ['a full disk', system('ENOSPC')],
  ['a file that went', system('ENOENT')],
  ['a disk that fails', new LlmosError('INTERNAL', 'no', { cause: system('EIO') })],
  ['NATS', Object.assign(new Error('TIMEOUT'), { name: 'NatsError', code: 'TIMEOUT' })],
  ['a password that NATS refuses', new LlmosError('UNAUTHENTICATED', 'the password is wrong')],
  ['a store that is slow', new LlmosError('DEADLINE_EXCEEDED', 'no answer in 5 s')],
  ['a download', new LlmosError('UNAVAILABLE', 'the store did not answer')],
  ['a thread that died', new LlmosError('INTERNAL', 'it exited', { retryable: true })],
])('a load that fails for %s may go well later', (_name, thrown) => {
  expect(loadError(thrown)).toMatchObject({ retryable: true });
});

it.each([
  ['an operator that the runtime lacks', graph('Zap is not a registered function/op')],
  ['other bytes than its digest', new LlmosError('DATA_LOSS', 'it has sha256 a, not b')],
  ['a package larger than the cache', new LlmosError('RESOURCE_EXHAUSTED', 'x', { retryable: false })],
  ['a mistake of ours', new TypeError('x is not a function')],
])('a load that fails for %s fails for good', (_name, thrown) => {
  const { code, message } = loadError(thrown);
  expect(loadError(thrown)).toMatchObject({ retryable: false });
  expect(message).toBe((thrown).message);
  expect(code).toBe(thrown instanceof LlmosError ? thrown.code : 'INTERNAL');
});

it('an error that is its own cause is judged all the same', () => {
  const loop = new Error('round');
  loop.cause = loop;
  expect(loadError(loop)).toMatchObject({ code: 'INTERNAL', retryable: false });
});
