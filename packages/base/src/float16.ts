/** IEEE 754 half precision, as bit patterns: Node 20 has no Float16Array. */

const scratch = new DataView(new ArrayBuffer(4));
const LEAST_SUBNORMAL = 2 ** -24;

/** Rounds to nearest, ties to even; beyond 65,504 it becomes infinite. */
export function toFloat16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  scratch.setFloat32(0, value);
  const sign = (scratch.getUint32(0) >>> 16) & 0x8000;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | roundHalfEven(size / LEAST_SUBNORMAL);
  const exponent = exponentOf(size);
  const mantissa = roundHalfEven((size / 2 ** exponent - 1) * 1024);
  // A mantissa that rounds up to 1024 carries into the exponent, as it should.
  return sign | (((exponent + 15) << 10) + mantissa);
}

export function fromFloat16Bits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0) return sign * mantissa * LEAST_SUBNORMAL;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : Number.NaN;
  return sign * 2 ** (exponent - 15) * (1 + mantissa / 1024);
}

/** Of a normal number: value = 2^exponent × [1, 2). */
function exponentOf(size: number): number {
  scratch.setFloat32(0, size);
  const exponent = ((scratch.getUint32(0) >>> 23) & 0xff) - 127;
  // float32 may have rounded up to the next power of two.
  return 2 ** exponent > size ? exponent - 1 : exponent;
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
