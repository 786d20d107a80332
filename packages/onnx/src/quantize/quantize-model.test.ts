import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LlmosError } from '@llmos/base';
import { makeGraph, makeModel, makeNode, makeTensor, makeValueInfo } from '../build-graph';
import type { OnnxModel } from '../onnx-model';
import { attributeOf, dimsOf, initializerOf } from '../onnx-model';
import { WeightFile } from '../weight-file';
import { readRange } from '../weight-range';
import type { WeightBits } from './block-quantizer';
import { quantizeModel } from './quantize-model';

interface Case {
  readonly bits: WeightBits;
  readonly blockSize: number;
  readonly isSymmetric: boolean;
  readonly inputs: readonly string[];
  readonly attributes: Readonly<Record<string, number>>;
  readonly dims: Readonly<Record<string, readonly number[]>>;
  readonly values: Readonly<Record<string, string>>;
}

interface Fixture {
  readonly depth: number;
  readonly width: number;
  readonly matrices: readonly {
    readonly type: 'float32' | 'float16';
    readonly weights: string;
    readonly cases: readonly Case[];
  }[];
}

/** Made by fixtures/matmul-nbits.py with onnxruntime's own quantizer. */
const fixture = JSON.parse(
  readFileSync(join(__dirname, '..', '..', 'fixtures', 'matmul-nbits.json'), 'utf8'),
) as Fixture;

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmos-onnx-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bytesFrom = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

interface Weights {
  readonly type: 'float32' | 'float16';
  readonly dims: readonly [number, number];
  readonly bytes: Uint8Array;
}

function productOf({ type, dims, bytes }: Weights, isTransposed = false): OnnxModel {
  const [depth, width] = isTransposed ? dims.toReversed() : dims;
  const factor = isTransposed ? 'w_t' : 'w';
  const nodes = [makeNode('MatMul', { inputs: ['x', factor], outputs: ['y'], name: 'product' })];
  if (isTransposed) {
    const attributes = { perm: [1n, 0n] };
    nodes.unshift(makeNode('Transpose', { inputs: ['w'], outputs: ['w_t'], attributes }));
  }
  const graph = makeGraph({
    nodes,
    inputs: [makeValueInfo('x', type, ['rows', depth ?? 0])],
    outputs: [makeValueInfo('y', type, ['rows', width ?? 0])],
    initializers: [makeTensor('w', type, dims, bytes)],
  });
  return makeModel(graph, { usesRuntimeOperators: false });
}

function quantized(model: OnnxModel, options: Parameters<typeof quantizeModel>[2]): OnnxModel {
  const target = new WeightFile(join(folder, 'weights'));
  quantizeModel(model, target, options);
  target.close();
  return model;
}

function bytesOfWeights(model: OnnxModel, name: string): Uint8Array {
  const range = model.weights.get(name);
  if (range === undefined) throw new Error(`no weights ${name}`);
  return readRange(range);
}

const cases = fixture.matrices.flatMap(({ type, weights, cases: list }) =>
  list.map((expected) => ({
    type,
    weights,
    expected,
    title: `${type}, ${expected.bits} bits, blocks of ${expected.blockSize}${
      expected.isSymmetric ? ', symmetric' : ''
    }`,
  })),
);

describe('quantising a graph', () => {
  it.each(cases)("gives what the runtime's own quantizer gives: $title", (one) => {
    const { type, weights, expected } = one;
    const dims = [fixture.depth, fixture.width] as const;
    const model = quantized(productOf({ type, dims, bytes: bytesFrom(weights) }), expected);
    const [node, second] = model.proto.graph.node;
    if (node === undefined || second !== undefined) throw new Error('not one node');
    expect(node.opType).toBe('MatMulNBits');
    expect(node.input).toEqual(expected.inputs);
    for (const [name, value] of Object.entries(expected.attributes)) {
      expect([name, attributeOf(node, name)?.i]).toEqual([name, BigInt(value)]);
    }
    for (const [name, text] of Object.entries(expected.values)) {
      const tensor = initializerOf(model, name);
      if (tensor === undefined) throw new Error(`no tensor ${name}`);
      expect([name, dimsOf(tensor)]).toEqual([name, expected.dims[name]]);
      expect([name, bytesOfWeights(model, name)]).toEqual([name, bytesFrom(text)]);
    }
    expect(initializerOf(model, 'w')).toBeUndefined();
  });

  it('gives the same for a matrix that is stored transposed', () => {
    const [first] = fixture.matrices;
    if (first === undefined) throw new Error('no fixture');
    const values = new Float32Array(bytesFrom(first.weights).buffer);
    const { depth, width } = fixture;
    const turned = new Float32Array(values.length);
    for (let row = 0; row < depth; row += 1) {
      for (let column = 0; column < width; column += 1) {
        turned[column * depth + row] = values[row * width + column] ?? 0;
      }
    }
    const bytes = new Uint8Array(turned.buffer);
    const model = productOf({ type: 'float32', dims: [width, depth], bytes }, true);
    quantized(model, { bits: 4, blockSize: 32 });
    const expected = first.cases.find(
      (one) => one.bits === 4 && one.blockSize === 32 && !one.isSymmetric,
    );
    expect(model.proto.graph.node.map((node) => node.opType)).toEqual(['MatMulNBits']);
    expect(bytesOfWeights(model, 'w_T_Q4')).toEqual(bytesFrom(expected?.values['w_Q4'] ?? ''));
    expect(bytesOfWeights(model, 'w_T_scales')).toEqual(
      bytesFrom(expected?.values['w_scales'] ?? ''),
    );
  });

  it('keeps weights that another node reads', () => {
    const bytes = new Uint8Array(64 * 8 * 4);
    const model = productOf({ type: 'float32', dims: [64, 8], bytes });
    const { graph } = model.proto;
    graph.node.push(makeNode('Gather', { inputs: ['w', 'ids'], outputs: ['rows'] }));
    quantized(model, { bits: 8 });
    expect(initializerOf(model, 'w')).toBeDefined();
  });

  it.each([[[64, 9]], [[6400, 800]], [[-64, -8]]] as const)(
    'refuses weights that are not what their dims say: %j',
    (dims) => {
      const bytes = new Uint8Array(64 * 8 * 4);
      const model = productOf({ type: 'float32', dims: [64, 8], bytes });
      const weights = initializerOf(model, 'w');
      if (weights !== undefined) weights.dims = dims.map(BigInt);
      expect(() => quantized(model, { bits: 4 })).toThrow(LlmosError);
    },
  );

  it('refuses block sizes that the runtime lacks, and graphs without such a product', () => {
    const bytes = new Uint8Array(64 * 8 * 4);
    const model = productOf({ type: 'float32', dims: [64, 8], bytes });
    expect(() => quantized(model, { bits: 4, blockSize: 24 })).toThrow(/block size 24/);
    model.proto.graph.node = [makeNode('Identity', { inputs: ['x'], outputs: ['y'] })];
    expect(() => quantized(model, { bits: 4 })).toThrow(/no MatMul/);
  });
});
