/** Arrays that a decoder's steps use again and again, so that a token allocates next to nothing. */
import { fromFloat16Bits } from '@llmos/base';
import type { HostTensor, TensorSpec } from '../../ports/model-runner';

/** Integers of the type that a graph's input has; grows, never shrinks. */
export class IntegerBuffer {
  private readonly type: 'int64' | 'int32';
  private elements: BigInt64Array | Int32Array;

  constructor(type: TensorSpec['type']) {
    this.type = type === 'int64' ? 'int64' : 'int32';
    this.elements = this.create(16);
  }

  /** A tensor over the first elements; what they hold is the caller's to set. */
  take(dims: readonly number[]): HostTensor {
    const count = dims.reduce((product, dim) => product * dim, 1);
    if (count > this.elements.length) this.elements = this.create(2 * count);
    return { kind: 'host', type: this.type, dims, elements: this.elements.subarray(0, count) };
  }

  fillFrom(values: readonly number[], dims: readonly number[]): HostTensor {
    const tensor = this.take(dims);
    for (let at = 0; at < values.length; at += 1) this.set(at, values[at] as number);
    return tensor;
  }

  set(at: number, value: number): void {
    if (this.elements instanceof Int32Array) this.elements[at] = value;
    else this.elements[at] = BigInt(value);
  }

  /** From `start` up to `end`. */
  fill(value: 0 | 1, start: number, end: number): void {
    if (this.elements instanceof Int32Array) this.elements.fill(value, start, end);
    else this.elements.fill(BigInt(value), start, end);
  }

  private create(count: number): BigInt64Array | Int32Array {
    return this.type === 'int64' ? new BigInt64Array(count) : new Int32Array(count);
  }
}

/** Float32 values; grows, never shrinks. */
export class FloatBuffer {
  private elements = new Float32Array();
  /** The tensor given last: steps of one shape share it, and the runner its own form of it. */
  private last: HostTensor | undefined;
  /** Every float16 by its bits. */
  private table: Float32Array | undefined;

  take(dims: readonly number[]): HostTensor {
    const { last } = this;
    if (last?.dims.length === dims.length && last.dims.every((dim, axis) => dim === dims[axis])) {
      return last;
    }
    const elements = this.array(dims.reduce((product, dim) => product * dim, 1));
    const tensor: HostTensor = { kind: 'host', type: 'float32', dims, elements };
    this.last = tensor;
    return tensor;
  }

  array(count: number): Float32Array {
    if (count > this.elements.length) this.elements = new Float32Array(count);
    return this.elements.subarray(0, count);
  }

  /** The values of float16 bit patterns. */
  fromFloat16(bits: Uint16Array): Float32Array {
    // One look-up instead of one conversion per logit.
    this.table ??= Float32Array.from({ length: 0x10000 }, (_, each) => fromFloat16Bits(each));
    const { table } = this;
    const values = this.array(bits.length);
    for (let at = 0; at < bits.length; at += 1) {
      values[at] = table[bits[at] as number] as number;
    }
    return values;
  }
}
