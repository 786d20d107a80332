import { LlmosError } from '@llmos/base';
import { figuresOf, percentile, runLoad } from './load';

it('answers percentiles by nearest rank', () => {
  const values = Array.from({ length: 100 }, (_, index) => index + 1);
  expect([0.5, 0.9, 0.99, 1].map((share) => percentile(values, share))).toEqual([50, 90, 99, 100]);
  expect(percentile([7], 0.5)).toBe(7);
  expect(percentile([], 0.5)).toBeNaN();
});

it('keeps so many calls under way until the time is over, and counts errors by code', async () => {
  let nowMs = 0;
  let running = 0;
  let most = 0;
  let calls = 0;
  const outcome = await runLoad({
    concurrency: 3,
    durationMs: 100,
    nowMs: () => nowMs,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    call: async () => {
      calls += 1;
      const mine = calls;
      running += 1;
      most = Math.max(most, running);
      await Promise.resolve();
      nowMs += 10;
      running -= 1;
      if (mine === 2) throw new LlmosError('UNAVAILABLE', 'not now');
    },
  });
  expect(most).toBe(3);
  expect(outcome.errors).toEqual({ UNAVAILABLE: 1 });
  expect(outcome.latenciesMs).toHaveLength(calls - 1);
  expect(outcome.elapsedMs).toBe(calls * 10);
  const figures = Object.fromEntries(figuresOf(outcome).map(({ name, value }) => [name, value]));
  expect(figures).toMatchObject({ calls: calls - 1, 'failed calls': 1 });
});

it('leaves latencies out where no call succeeded', () => {
  const figures = figuresOf({ latenciesMs: [], errors: { NOT_FOUND: 2 }, elapsedMs: 10 });
  expect(figures.map(({ name }) => name)).toEqual(['calls', 'failed calls', 'throughput']);
});
