/**
 * Blockwise quantisation of one block of weights, as onnxruntime's `MatMulNBitsQuantizer` does it
 * (`DefaultWeightOnlyQuantConfig`; `range2scale`, `range2scalezp` and the rounding of
 * `blockwise_quant_block.h`). Arithmetic is float32, step by step, halves round away from zero.
 */
export type WeightBits = 4 | 8;

export interface BlockFormat {
  readonly bits: WeightBits;
  /** Values that share a scale; a power of two from 16. */
  readonly blockSize: number;
  /** Whether zero is always the middle of the range; otherwise each block has a zero point. */
  readonly isSymmetric: boolean;
  /** How a scale is stored before it is used: rounded to float16, or as it is. */
  readonly roundScale: (scale: number) => number;
}

/** Bytes of one packed block. */
export function blobBytes({ bits, blockSize }: Pick<BlockFormat, 'bits' | 'blockSize'>): number {
  return (blockSize * bits) / 8;
}

const { fround } = Math;

/** Reused from block to block: the answer is valid until the next call. */
export class BlockQuantizer {
  scale = 0;
  zeroPoint = 0;
  private readonly most: number;
  private readonly middle: number;

  constructor(private readonly format: BlockFormat) {
    this.most = 2 ** format.bits - 1;
    this.middle = 2 ** (format.bits - 1);
  }

  /** Packs the first `count` values into `target`, which is zero there; the low nibble is first. */
  quantize(values: Float32Array, count: number, target: Uint8Array, at: number): void {
    this.chooseRange(values, count);
    const { zeroPoint, most } = this;
    const reciprocal = this.scale === 0 ? 0 : fround(1 / this.scale);
    if (this.format.bits === 8) {
      for (let index = 0; index < count; index += 1) {
        target[at + index] = toLevel(values[index] ?? 0, reciprocal, zeroPoint, most);
      }
      return;
    }
    // Nothing reads the half byte after an odd count; the reference leaves the one before there.
    let high = 0;
    for (let index = 0; index < count; index += 2) {
      const low = toLevel(values[index] ?? 0, reciprocal, zeroPoint, most);
      if (index + 1 < count) high = toLevel(values[index + 1] ?? 0, reciprocal, zeroPoint, most);
      target[at + index / 2] = low | (high << 4);
    }
  }

  private chooseRange(values: Float32Array, count: number): void {
    let least = 0;
    let greatest = 0;
    for (let index = 0; index < count; index += 1) {
      const value = values[index] ?? 0;
      if (value < least) least = value;
      if (value > greatest) greatest = value;
    }
    if (this.format.isSymmetric) {
      const extreme = Math.abs(greatest) > Math.abs(least) ? greatest : least;
      this.scale = this.format.roundScale(fround(extreme / -this.middle));
      this.zeroPoint = this.middle;
      return;
    }
    const scale = fround(fround(greatest - least) / this.most);
    const zero = scale === 0 ? least : fround(0 - fround(least / scale));
    this.zeroPoint = Math.min(this.most, Math.max(0, Math.round(zero)));
    this.scale = this.format.roundScale(scale);
  }
}

function toLevel(value: number, reciprocal: number, zeroPoint: number, most: number): number {
  const level = fround(fround(value * reciprocal) + zeroPoint);
  // Levels below zero are cut off, so that rounding up at halves is rounding away from zero.
  const rounded = Math.floor(level + 0.5);
  return rounded < 0 ? 0 : rounded > most ? most : rounded;
}
