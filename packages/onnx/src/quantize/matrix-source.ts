/** The weights of a MatMul, read by columns of the matrix `[K, N]`, however they are stored. */
import { closeSync, openSync } from 'node:fs';
import { LlmosError, fromFloat16Bits, quoteShort } from '@llmos/base';
import { ONNX_LIMITS } from '../limits';
import type { OnnxModel, TensorProto } from '../onnx-model';
import { dimsOf } from '../onnx-model';
import { elementBytes, elementTypeName } from '../element-types';
import { bytesOf } from '../weight-file';
import { readFully } from '../weight-range';

export interface Matrix {
  readonly name: string;
  /** Length of the sums of the product. */
  readonly depth: number;
  /** Columns: how many sums there are. */
  readonly width: number;
  readonly type: 'float32' | 'float16';
  /** Stored as `[N, K]`, as the weights of a transposed embedding are. */
  readonly isTransposed: boolean;
  readonly tensor: TensorProto;
}

/** The matrix in an initializer; undefined where it has none of floats. */
export function matrixOf(tensor: TensorProto, isTransposed: boolean): Matrix | undefined {
  const [rows, columns, ...rest] = dimsOf(tensor);
  const type = elementTypeName(tensor.dataType);
  if (rows === undefined || columns === undefined || rest.length > 0) return undefined;
  if ((type !== 'float32' && type !== 'float16') || rows < 1 || columns < 1) return undefined;
  const [depth, width] = isTransposed ? [columns, rows] : [rows, columns];
  return { name: tensor.name ?? '', depth, width, type, isTransposed, tensor };
}

export class MatrixReader {
  private readonly fileDescriptor: number | undefined;
  private readonly baseOffset: number;
  private readonly inside: Uint8Array;
  private readonly bytesEach: number;
  /** Grows to the largest part that is read: a new one for each would wait for the collector. */
  private buffer = new Uint8Array();

  /** Throws INVALID_ARGUMENT where there are more or fewer weights than the dims say. */
  constructor(
    model: OnnxModel,
    private readonly matrix: Matrix,
  ) {
    const range = model.weights.get(matrix.name);
    this.inside = range === undefined ? insideBytes(matrix.tensor) : new Uint8Array();
    this.bytesEach = elementBytes(matrix.type);
    const byteLength = range?.byteLength ?? this.inside.length;
    if (byteLength !== matrix.depth * matrix.width * this.bytesEach) {
      const { name, tensor } = matrix;
      throw new LlmosError(
        'INVALID_ARGUMENT',
        `the weights ${quoteShort(name)} of ${dimsOf(tensor).join(' × ')} have ${byteLength} bytes`,
      );
    }
    this.fileDescriptor = range === undefined ? undefined : openSync(range.file, 'r');
    this.baseOffset = range?.offset ?? 0;
  }

  close(): void {
    if (this.fileDescriptor !== undefined) closeSync(this.fileDescriptor);
  }

  /** Elements in a row of the file. */
  private get rowLength(): number {
    return this.matrix.isTransposed ? this.matrix.depth : this.matrix.width;
  }

  /**
   * Rows of the file as they are stored, cut to columns of the file: `rows.count` × `columns.count`
   * values, row after row; valid until the next call.
   */
  read(
    rows: { readonly start: number; readonly count: number },
    columns: { readonly start: number; readonly count: number },
  ): Float32Array {
    const { rowLength, bytesEach } = this;
    const count = rows.count * columns.count;
    const bytes = this.roomFor(count * bytesEach);
    if (columns.count === rowLength) {
      this.fill(bytes, rows.start * rowLength * bytesEach);
    } else {
      const part = columns.count * bytesEach;
      for (let row = 0; row < rows.count; row += 1) {
        const at = ((rows.start + row) * rowLength + columns.start) * bytesEach;
        this.fill(bytes.subarray(row * part, (row + 1) * part), at);
      }
    }
    return this.matrix.type === 'float32'
      ? new Float32Array(bytes.buffer, 0, count)
      : fromHalves(new Uint16Array(bytes.buffer, 0, count));
  }

  private roomFor(byteLength: number): Uint8Array<ArrayBuffer> {
    if (byteLength > this.buffer.length) this.buffer = new Uint8Array(byteLength);
    return this.buffer.subarray(0, byteLength);
  }

  private fill(target: Uint8Array, at: number): void {
    if (this.fileDescriptor === undefined) target.set(this.inside.subarray(at, at + target.length));
    else readFully(this.fileDescriptor, target, this.baseOffset + at);
  }
}

/** Rows of the file that are read at once. */
export function rowsPerPiece(matrix: Matrix): number {
  const rowBytes = (matrix.isTransposed ? matrix.depth : matrix.width) * elementBytes(matrix.type);
  return Math.max(1, Math.floor(ONNX_LIMITS.pieceBytes / rowBytes));
}

/** Elements may stand in the message as bytes or as a list of numbers. */
function insideBytes(tensor: TensorProto): Uint8Array {
  const { rawData, floatData, int32Data } = tensor;
  if (rawData !== undefined && rawData.length > 0) return rawData;
  return floatData.length > 0
    ? bytesOf(Float32Array.from(floatData))
    : bytesOf(Uint16Array.from(int32Data));
}

function fromHalves(halves: Uint16Array): Float32Array {
  return Float32Array.from(halves, fromFloat16Bits);
}
