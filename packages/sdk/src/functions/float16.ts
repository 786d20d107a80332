/** IEEE 754 half precision, which Node 20 has no typed array for. */
const bits = new DataView(new ArrayBuffer(4));

/** Rounds to the nearest, ties to even; too large becomes infinite. */
export function toFloat16Bits(value: number): number {
  bits.setFloat32(0, value);
  const word = bits.getUint32(0);
  const sign = (word >>> 16) & 0x8000;
  const exponent = (word >>> 23) & 0xff;
  const fraction = word & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200);
  const shifted = exponent - 112; // 127 - 15: the difference of the two biases
  if (shifted >= 31) return sign | 0x7c00;
  if (shifted <= 0) {
    if (shifted < -10) return sign;
    return sign | roundShift(fraction | 0x800000, 14 - shifted);
  }
  // A carry out of the fraction correctly increments the exponent.
  return sign | ((shifted << 10) + roundShift(fraction, 13));
}

export function fromFloat16Bits(half: number): number {
  const sign = (half & 0x8000) === 0 ? 1 : -1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function roundShift(value: number, by: number): number {
  const half = 1 << (by - 1);
  const rest = value & ((1 << by) - 1);
  const whole = value >>> by;
  return rest > half || (rest === half && (whole & 1) === 1) ? whole + 1 : whole;
}
