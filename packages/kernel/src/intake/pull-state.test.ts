import { PullState } from './pull-state';

const SILENT_MS = 3_000;

function pullOf(batch: number): PullState {
  const pull = new PullState(SILENT_MS);
  pull.begin(batch, 0);
  return pull;
}

it('is over once it brought what was asked for', () => {
  const pull = pullOf(2);
  expect([pull.onMessage(1), pull.isInFlight]).toEqual(['wait', true]);
  expect([pull.onMessage(2), pull.isInFlight]).toEqual(['again', false]);
});

it.each([
  [100, false, 'wait'],
  [404, false, 'again'],
  [408, false, 'again'],
  [409, false, 'later'],
  [503, false, 'later'],
  [409, true, 'again'],
] as const)('after status %s, having brought something: %s, it says %s', (status, has, step) => {
  const pull = pullOf(9);
  if (has) pull.onMessage(1);
  expect([pull.onStatus(status, 2), pull.isInFlight]).toEqual([step, step === 'wait']);
});

it('says how long the server may be silent, from what was heard last', () => {
  const pull = pullOf(9);
  expect(pull.silenceLeftMs(1_000)).toBe(SILENT_MS - 1_000);
  pull.onStatus(100, 2_000);
  expect(pull.silenceLeftMs(4_000)).toBe(SILENT_MS - 2_000);
  expect(pull.silenceLeftMs(5_000)).toBe(0);
});

it('takes what still comes of a pull that was forgotten', () => {
  const pull = pullOf(9);
  pull.forget();
  expect([pull.isInFlight, pull.onMessage(1)]).toEqual([false, 'again']);
});
