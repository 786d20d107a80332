import { fromFloat16Bits, toFloat16Bits } from './float16';

describe('float16', () => {
  it('turns every bit pattern into its value and back', () => {
    for (let bits = 0; bits < 65536; bits += 1) {
      const value = fromFloat16Bits(bits);
      if (Number.isNaN(value)) expect((toFloat16Bits(value) & 0x7c00) === 0x7c00).toBe(true);
      else if (toFloat16Bits(value) !== bits) expect([bits, value]).toEqual(['its own pattern']);
    }
  });

  it('rounds to nearest, ties to even', () => {
    expect(fromFloat16Bits(toFloat16Bits(1 + 1 / 2048))).toBe(1);
    expect(fromFloat16Bits(toFloat16Bits(1 + 3 / 2048))).toBe(1 + 2 / 1024);
    expect(fromFloat16Bits(toFloat16Bits(1 + 1 / 2048 + 1e-9))).toBe(1 + 1 / 1024);
    expect(fromFloat16Bits(toFloat16Bits(2047.9999))).toBe(2048);
    expect(fromFloat16Bits(toFloat16Bits(2 ** -25))).toBe(0);
    expect(fromFloat16Bits(toFloat16Bits(2 ** -25 * 1.001))).toBe(2 ** -24);
    expect(fromFloat16Bits(toFloat16Bits(-65519))).toBe(-65504);
    expect(fromFloat16Bits(toFloat16Bits(65520))).toBe(Infinity);
    expect(Object.is(fromFloat16Bits(toFloat16Bits(-0)), -0)).toBe(true);
  });
});
