import { HOST_BOUNDS } from '../actors/host-protocol';
import { HostMeter } from './host-meter';

function meterAt(nowMs: number, generates = true): HostMeter {
  return new HostMeter({ nowMs: () => nowMs, wallMs: () => 0 }, { generates });
}

const tokens = (tokenMs: readonly number[]) => ({ promptTokens: 1, generatedTokens: 2, tokenMs });

it('has the buckets that dashboards of generative models expect', () => {
  expect(HOST_BOUNDS.firstTokenSeconds).toEqual([
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
  ]);
  expect(HOST_BOUNDS.tokenSeconds).toEqual([
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5,
  ]);
});

it('times a first token from the storage of its task, in whatever attempt it comes', () => {
  const meter = meterAt(3_000);
  meter.addFirstToken({ storedAtMs: 2_400 });
  // Stored before this host began.
  meter.addFirstToken({ storedAtMs: -60_000 });
  const { counts = [], sum } = meter.counts().firstTokenSeconds ?? {};
  expect([counts[10], counts[16], sum]).toEqual([1, 1, 63.6]);
});

it('times no first token where the kernel does not say when the task came', () => {
  const meter = meterAt(3_000);
  meter.addFirstToken({});
  expect(meter.counts().firstTokenSeconds?.counts).not.toContain(1);
});

it('counts the pace of each sample, and none of a single token', () => {
  const meter = meterAt(0);
  meter.addTokens(tokens([]));
  meter.addTokens(tokens([20, 60]));
  const { counts = [], sum } = meter.counts().tokenSeconds ?? {};
  expect([counts[1], counts[3], sum]).toEqual([1, 1, 0.08]);
  expect(counts.reduce((total, count) => total + count, 0)).toBe(2);
});

it('has no such histograms for a model that does not generate', () => {
  const meter = meterAt(0, false);
  meter.addFirstToken({ storedAtMs: 0 });
  meter.addTokens(tokens([20]));
  expect(meter.counts()).not.toHaveProperty('firstTokenSeconds');
  expect(meter.counts()).not.toHaveProperty('tokenSeconds');
});
