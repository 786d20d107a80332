/**
 * Quantises one matrix from its file into another, a stripe of columns after the other, so that
 * memory is bounded whatever the matrix holds.
 *
 * Layout, that of `com.microsoft.MatMulNBits`: `[N, blocks, blob]` packed values, `[N, blocks]`
 * scales of the type of the weights, `[N, bytes]` zero points, two to a byte with 4 bits.
 */
import { toFloat16Bits } from '@llmos/base';
import { ONNX_LIMITS } from '../limits';
import type { OnnxModel } from '../onnx-model';
import type { WeightFile } from '../weight-file';
import { bytesOf } from '../weight-file';
import type { WeightRange } from '../weight-range';
import type { BlockFormat } from './block-quantizer';
import { BlockQuantizer, blobBytes } from './block-quantizer';
import type { Matrix } from './matrix-source';
import { MatrixReader, rowsPerPiece } from './matrix-source';

export interface QuantizedMatrix {
  readonly matrix: Matrix;
  readonly blocks: number;
  readonly packed: WeightRange;
  readonly scales: WeightRange;
  /** Absent where the format is symmetric. */
  readonly zeroPoints?: WeightRange;
}

export interface QuantizeMatrixOptions {
  readonly model: OnnxModel;
  readonly matrix: Matrix;
  readonly format: BlockFormat;
  readonly target: WeightFile;
  /** Called with the weights done since the last call. */
  readonly onProgress?: (weights: number) => void;
}

interface Stripe {
  readonly start: number;
  readonly count: number;
}

export function quantizeMatrix(options: QuantizeMatrixOptions): QuantizedMatrix {
  const { matrix, format, target } = options;
  const blocks = Math.ceil(matrix.depth / format.blockSize);
  const packedRow = blocks * blobBytes(format);
  const scaleBytes = matrix.type === 'float32' ? 4 : 2;
  const zeroRow = Math.ceil((blocks * format.bits) / 8);
  const packed = target.reserve(matrix.width * packedRow);
  const scales = target.reserve(matrix.width * blocks * scaleBytes);
  const zeroPoints = format.isSymmetric ? undefined : target.reserve(matrix.width * zeroRow);
  const reader = new MatrixReader(options.model, matrix);
  try {
    const stripeColumns = Math.max(1, Math.floor(ONNX_LIMITS.stripeBytes / packedRow));
    for (let start = 0; start < matrix.width; start += stripeColumns) {
      const stripe = { start, count: Math.min(stripeColumns, matrix.width - start) };
      const result = new StripeQuantizer(stripe, blocks, options).run(reader);
      target.write(packed, start * packedRow, result.packed);
      target.write(scales, start * blocks * scaleBytes, scaleOf(matrix, result.scales));
      if (zeroPoints !== undefined) target.write(zeroPoints, start * zeroRow, result.zeroPoints);
    }
  } finally {
    reader.close();
  }
  const base = { matrix, blocks, packed, scales };
  return zeroPoints === undefined ? base : { ...base, zeroPoints };
}

function scaleOf(matrix: Matrix, scales: Float32Array): Uint8Array {
  return bytesOf(matrix.type === 'float32' ? scales : Uint16Array.from(scales, toFloat16Bits));
}

class StripeQuantizer {
  readonly packed: Uint8Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Uint8Array;
  private readonly quantizer: BlockQuantizer;
  private readonly block: Float32Array;
  private readonly blob: number;
  private readonly zeroRow: number;

  constructor(
    private readonly stripe: Stripe,
    private readonly blocks: number,
    private readonly options: QuantizeMatrixOptions,
  ) {
    const { format } = options;
    this.blob = blobBytes(format);
    this.zeroRow = Math.ceil((blocks * format.bits) / 8);
    this.packed = new Uint8Array(stripe.count * blocks * this.blob);
    this.scales = new Float32Array(stripe.count * blocks);
    // The half of a last byte that belongs to no block holds the middle, as the reference has it.
    this.zeroPoints = new Uint8Array(stripe.count * this.zeroRow).fill(
      format.bits === 4 ? 0x88 : 0,
    );
    this.quantizer = new BlockQuantizer(format);
    this.block = new Float32Array(format.blockSize);
  }

  run(reader: MatrixReader): this {
    if (this.options.matrix.isTransposed) this.byRows(reader);
    else this.byBlocks(reader);
    return this;
  }

  /** `[N, K]`: each row of the file is one column of the matrix. */
  private byRows(reader: MatrixReader): void {
    const { matrix } = this.options;
    const { depth } = matrix;
    const { blockSize } = this.options.format;
    const most = rowsPerPiece(matrix);
    for (let done = 0; done < this.stripe.count; done += most) {
      const count = Math.min(most, this.stripe.count - done);
      const start = this.stripe.start + done;
      const values = reader.read({ start, count }, { start: 0, count: depth });
      for (let row = 0; row < count; row += 1) {
        for (let block = 0; block < this.blocks; block += 1) {
          const from = row * depth + block * blockSize;
          const end = Math.min(from + blockSize, (row + 1) * depth);
          this.put(done + row, block, values.subarray(from, end), end - from);
        }
      }
      this.options.onProgress?.(count * depth);
    }
  }

  /** `[K, N]`: a block lies across `blockSize` rows of the file. */
  private byBlocks(reader: MatrixReader): void {
    const { matrix, format } = this.options;
    const { start, count: width } = this.stripe;
    for (let block = 0; block < this.blocks; block += 1) {
      const first = block * format.blockSize;
      const count = Math.min(format.blockSize, matrix.depth - first);
      const values = reader.read({ start: first, count }, { start, count: width });
      for (let column = 0; column < width; column += 1) {
        for (let row = 0; row < count; row += 1) {
          this.block[row] = values[row * width + column] ?? 0;
        }
        this.put(column, block, this.block, count);
      }
      this.options.onProgress?.(count * width);
    }
  }

  private put(column: number, block: number, values: Float32Array, count: number): void {
    const index = column * this.blocks + block;
    this.quantizer.quantize(values, count, this.packed, index * this.blob);
    const { scale, zeroPoint } = this.quantizer;
    this.scales[index] = scale;
    if (this.options.format.bits === 8) {
      this.zeroPoints[column * this.zeroRow + block] = zeroPoint;
      return;
    }
    const at = column * this.zeroRow + (block >> 1);
    const both = this.zeroPoints[at] ?? 0;
    const isHigh = block % 2 === 1;
    this.zeroPoints[at] = isHigh ? (both & 0x0f) | (zeroPoint << 4) : (both & 0xf0) | zeroPoint;
  }
}
