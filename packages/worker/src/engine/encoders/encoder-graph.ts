/** Feeds rows of tokens to an encoder graph as one padded batch and takes its output apart. */
import { fromFloat16Bits, LlmosError, quoteShort } from '@llmos/base';
import type { HostTensor, ModelRunner, TensorElements, TensorSpec } from '../../ports/model-runner';

/** One row of the output: its own part of `[row, …dims]`. */
export interface RowOutput {
  readonly dims: readonly number[];
  readonly values: Float32Array;
}

type Integers = Int32Array | BigInt64Array;

/** Writes one row, from `start` on, by the input's name; padding is there already. */
const FILLS: Readonly<
  Record<string, (row: readonly number[], to: Integers, start: number) => void>
> = {
  input_ids: (row, to, start) => row.forEach((id, position) => put(to, start + position, id)),
  attention_mask: (row, to, start) => void fillWith(to, 1, start, start + row.length),
  token_type_ids: () => undefined,
  position_ids: (row, to, start) => {
    for (let position = 1; position < row.length; position += 1) {
      put(to, start + position, position);
    }
  },
};

export interface EncoderGraphOptions {
  readonly runner: ModelRunner;
  /** The output to read: the first of these names, else the first with that many dims. */
  readonly outputNames: readonly string[];
  readonly outputRank: number;
  readonly padId: number;
}

export class EncoderGraph {
  private readonly output: TensorSpec;

  /** Throws FAILED_PRECONDITION where the graph is not an encoder. */
  constructor(private readonly options: EncoderGraphOptions) {
    const { runner } = options;
    for (const spec of runner.inputs) {
      const isKnown = FILLS[spec.name] !== undefined;
      const isInteger = spec.type === 'int64' || spec.type === 'int32';
      if (isKnown && isInteger) continue;
      throw refuse(`the graph's input ${quoteShort(spec.name)} is none that an encoder takes`);
    }
    const named = options.outputNames
      .map((name) => runner.outputs.find((spec) => spec.name === name))
      .find((spec) => spec !== undefined);
    const ranked = runner.outputs.find((spec) => spec.dims.length === options.outputRank);
    const output = named ?? ranked;
    if (output === undefined || !/^float(16|32|64)$/.test(output.type)) {
      throw refuse(`the graph has no output ${options.outputNames.join(' or ')}`);
    }
    this.output = output;
  }

  /** Rows that one run takes, where the graph fixes their number. */
  get staticRows(): number | undefined {
    return this.staticDim(0);
  }

  /** Tokens of a row, where the graph fixes their number. */
  get staticLength(): number | undefined {
    return this.staticDim(1);
  }

  async run(rows: readonly (readonly number[])[]): Promise<readonly RowOutput[]> {
    const longest = Math.max(...rows.map((row) => row.length));
    const length = Math.max(longest, this.staticLength ?? 0);
    const inputs = new Map(
      this.options.runner.inputs.map((spec) => [spec.name, this.padded(spec, rows, length)]),
    );
    const results = await this.options.runner.run({
      inputs,
      outputs: new Map([[this.output.name, 'new']]),
    });
    return splitRows(results.get(this.output.name) as HostTensor, rows.length);
  }

  private staticDim(axis: number): number | undefined {
    const sizes = this.options.runner.inputs.map((spec) => spec.dims[axis]);
    return sizes.find((size) => typeof size === 'number');
  }

  private padded(
    spec: TensorSpec,
    rows: readonly (readonly number[])[],
    length: number,
  ): HostTensor {
    const fill = FILLS[spec.name] ?? (() => undefined);
    const count = rows.length * length;
    const elements = spec.type === 'int64' ? new BigInt64Array(count) : new Int32Array(count);
    const { padId } = this.options;
    if (spec.name === 'input_ids' && padId !== 0) fillWith(elements, padId, 0, count);
    rows.forEach((row, index) => fill(row, elements, index * length));
    const dims = [rows.length, length];
    return elements instanceof BigInt64Array
      ? { kind: 'host', type: 'int64', dims, elements }
      : { kind: 'host', type: 'int32', dims, elements };
  }
}

function put(to: Integers, at: number, value: number): void {
  if (to instanceof BigInt64Array) to[at] = BigInt(value);
  else to[at] = value;
}

function fillWith(to: Integers, value: number, start: number, end: number): void {
  if (to instanceof BigInt64Array) to.fill(BigInt(value), start, end);
  else to.fill(value, start, end);
}

function splitRows(tensor: HostTensor, rowCount: number): readonly RowOutput[] {
  const values = toFloat32(tensor.elements);
  const [rows, ...dims] = tensor.dims;
  if (rows !== rowCount) {
    throw new LlmosError('INTERNAL', `the model gave ${rows ?? 0} rows for ${rowCount}`);
  }
  const rowSize = values.length / rowCount;
  return Array.from({ length: rowCount }, (_, index) => ({
    dims,
    values: values.subarray(index * rowSize, (index + 1) * rowSize),
  }));
}

/** Elements of a float tensor; float16 comes as bits. */
function toFloat32(elements: TensorElements): Float32Array {
  if (elements instanceof Float32Array) return elements;
  if (elements instanceof Uint16Array) return Float32Array.from(elements, fromFloat16Bits);
  if (elements instanceof Float64Array) return Float32Array.from(elements);
  throw new LlmosError('INTERNAL', 'the model gave something other than floating-point numbers');
}

function refuse(message: string): LlmosError {
  return new LlmosError('FAILED_PRECONDITION', message);
}
