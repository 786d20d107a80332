/** The weights of a MatMul, read by columns of the matrix `[K, N]`, however they are stored. */
import { closeSync, openSync } from 'node:fs';
import { fromFloat16Bits } from '@llmos/base';
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
  if ((type !== 'float32' && type !== 'float16') || rows * columns === 0) return undefined;
  const [depth, width] = isTransposed ? [columns, rows] : [rows, columns];
  return { name: tensor.name ?? '', depth, width, type, isTransposed, tensor };
}

export class MatrixReader {
  private readonly fileDescriptor: number | undefined;
  private readonly baseOffset: number;
  private readonly inside: Uint8Array;
  private readonly bytesEach: number;

  constructor(
    model: OnnxModel,
    private readonly matrix: Matrix,
  ) {
    const range = model.weights.get(matrix.name);
    this.fileDescriptor = range === undefined ? undefined : openSync(range.file, 'r');
    this.baseOffset = range?.offset ?? 0;
    this.inside = range === undefined ? insideBytes(matrix.tensor) : new Uint8Array();
    this.bytesEach = elementBytes(matrix.type);
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
   * values, row after row.
   */
  read(
    rows: { readonly start: number; readonly count: number },
    columns: { readonly start: number; readonly count: number },
  ): Float32Array {
    const { rowLength, bytesEach } = this;
    const bytes = new Uint8Array(rows.count * columns.count * bytesEach);
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
      ? new Float32Array(bytes.buffer)
      : fromHalves(new Uint16Array(bytes.buffer));
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
