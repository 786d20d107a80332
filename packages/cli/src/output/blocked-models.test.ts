import { formatBlocked, formatFaults, describeBlock } from './blocked-models';
import { createStyle } from './style';

const style = createStyle({ isTerminal: false, env: {} });
const BLOCKED = {
  model: 'mini@1',
  queued: 1_000,
  because: 'failing',
  message: "mini@1 can't be loaded; node a: load-failed: out of memory",
  retryInMs: 4_000,
} as const;

it('says why a model is blocked and when it is tried again', () => {
  const text = formatBlocked([BLOCKED], style);
  for (const part of ['mini@1', '1000', 'next try in 4.0 s', 'node a: load-failed']) {
    expect(text).toContain(part);
  }
  expect(formatBlocked([], style)).toBe('');
  expect(describeBlock({ because: 'memory', message: '' })).toBe('waits for memory');
  const newer = { because: 'eclipse', message: '' } as never;
  expect(describeBlock(newer)).toBe('eclipse');
});

it('says what failed on which node', () => {
  const fault = { model: 'mini@1', failures: 3, isPermanent: false, message: 'no', retryInMs: 100 };
  const row = { node: 'a', faults: [fault] } as never;
  const healthy = { node: 'b' } as never;
  const text = formatFaults([row, healthy], style);
  for (const part of ['a', 'mini@1', '3', 'in 100 ms']) expect(text).toContain(part);
  expect(formatFaults([healthy], style)).toBe('');
});
