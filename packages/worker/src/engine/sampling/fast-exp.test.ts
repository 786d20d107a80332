import { fastExp } from './fast-exp';

it('gives e to the power of any number from -50 to 0 to ten digits', () => {
  let worst = 0;
  for (let step = 0; step <= 50_000; step += 1) {
    const exponent = -step / 1000 - (step === 0 ? 0 : (step % 7) / 1e4);
    if (exponent < -50) continue;
    worst = Math.max(worst, Math.abs(fastExp(exponent) / Math.exp(exponent) - 1));
  }
  expect(worst).toBeLessThan(1e-10);
  expect([fastExp(0), fastExp(-0)]).toEqual([1, 1]);
});

it('gives nothing below', () => {
  expect(fastExp(-50)).toBeGreaterThan(0);
  for (const exponent of [-50.0001, -1e30, -Infinity, Number.NaN])
    expect(fastExp(exponent)).toBe(0);
});
