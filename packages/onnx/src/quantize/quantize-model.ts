/**
 * Replaces the products with constant matrices of a graph by `com.microsoft.MatMulNBits`. Weights
 * that other nodes read as well, such as an embedding tied to the projection, stay beside.
 */
import { LlmosError, fromFloat16Bits, toFloat16Bits } from '@llmos/base';
import { makeNode, makeTensorHead } from '../build-graph';
import type { NodeProto, OnnxModel } from '../onnx-model';
import { addOperatorSet, attributeOf, initializerOf } from '../onnx-model';
import type { WeightFile } from '../weight-file';
import type { BlockFormat, WeightBits } from './block-quantizer';
import { blobBytes } from './block-quantizer';
import type { Matrix } from './matrix-source';
import { matrixOf } from './matrix-source';
import type { QuantizedMatrix } from './quantize-matrix';
import { quantizeMatrix } from './quantize-matrix';

export interface QuantizeOptions {
  readonly bits: WeightBits;
  /** Default: 32. */
  readonly blockSize?: number;
  /** Default: false, a zero point for each block. */
  readonly isSymmetric?: boolean;
  /** 4: activations are rounded to 8 bits, the same for every batch size. Default: 4. */
  readonly accuracyLevel?: number;
  readonly onProgress?: (doneWeights: number, totalWeights: number) => void;
}

export interface QuantizeCounts {
  readonly matrices: number;
  readonly weights: number;
  /** Products of two computed values, or of weights that are no matrix of floats. */
  readonly skipped: number;
}

const BLOCK_SIZES = [16, 32, 64, 128, 256];

/**
 * Edits the model in place; its new weights lie in `target`, which stays the caller's. Throws
 * INVALID_ARGUMENT for a block size that the runtime lacks, FAILED_PRECONDITION where the graph has
 * nothing to quantise.
 */
export function quantizeModel(
  model: OnnxModel,
  target: WeightFile,
  options: QuantizeOptions,
): QuantizeCounts {
  const { bits, blockSize = 32, isSymmetric = false } = options;
  if (!BLOCK_SIZES.includes(blockSize)) {
    const known = BLOCK_SIZES.join(', ');
    throw new LlmosError('INVALID_ARGUMENT', `block size ${blockSize} is none of ${known}`);
  }
  const { products, skipped } = findProducts(model);
  const matrices = new Map(products.map(({ matrix }) => [keyOf(matrix), matrix]));
  if (matrices.size === 0) {
    throw new LlmosError(
      'FAILED_PRECONDITION',
      'the graph has no MatMul of constant float weights',
    );
  }
  const totalWeights = sumOf([...matrices.values()]);
  let doneWeights = 0;
  const done = new Map<string, QuantizedMatrix>();
  for (const [key, matrix] of matrices) {
    const roundScale =
      matrix.type === 'float16' ? (scale: number) => fromFloat16Bits(toFloat16Bits(scale)) : exact;
    const format: BlockFormat = { bits, blockSize, isSymmetric, roundScale };
    const onProgress = (weights: number): void => {
      doneWeights += weights;
      options.onProgress?.(doneWeights, totalWeights);
    };
    const quantized = quantizeMatrix({ model, matrix, format, target, onProgress });
    done.set(key, quantized);
    addWeights(model, quantized, format);
  }
  for (const { node, matrix } of products) replace(node, done.get(keyOf(matrix)), options);
  addOperatorSet(model, 'com.microsoft', 1);
  removeUnread(model);
  return { matrices: matrices.size, weights: totalWeights, skipped };
}

function exact(scale: number): number {
  return scale;
}

interface Product {
  readonly node: NodeProto;
  readonly matrix: Matrix;
}

function findProducts(model: OnnxModel): { products: readonly Product[]; skipped: number } {
  const products: Product[] = [];
  let skipped = 0;
  for (const node of model.proto.graph.node) {
    if (node.opType !== 'MatMul' || (node.domain ?? '') !== '') continue;
    const matrix = constantMatrix(model, node.input[1] ?? '');
    if (matrix === undefined) skipped += 1;
    else products.push({ node, matrix });
  }
  return { products, skipped };
}

/** An initializer, or the transpose of one. */
function constantMatrix(model: OnnxModel, name: string): Matrix | undefined {
  const tensor = initializerOf(model, name);
  if (tensor !== undefined) return matrixOf(tensor, false);
  const node = model.proto.graph.node.find((candidate) => candidate.output[0] === name);
  if (node?.opType !== 'Transpose') return undefined;
  const order = attributeOf(node, 'perm')?.ints ?? [1n, 0n];
  if (order.length !== 2 || order[0] !== 1n || order[1] !== 0n) return undefined;
  const source = initializerOf(model, node.input[0] ?? '');
  return source === undefined ? undefined : matrixOf(source, true);
}

function keyOf(matrix: Matrix): string {
  return `${matrix.name}${matrix.isTransposed ? ' transposed' : ''}`;
}

function sumOf(matrices: readonly Matrix[]): number {
  return matrices.reduce((sum, { depth, width }) => sum + depth * width, 0);
}

interface WeightNames {
  readonly packed: string;
  readonly scales: string;
  readonly zeroPoints: string;
}

function namesOf(matrix: Matrix, bits: WeightBits): WeightNames {
  const stem = matrix.isTransposed ? `${matrix.name}_T` : matrix.name;
  return {
    packed: `${stem}_Q${bits}`,
    scales: `${stem}_scales`,
    zeroPoints: `${stem}_zero_points`,
  };
}

function addWeights(model: OnnxModel, quantized: QuantizedMatrix, format: BlockFormat): void {
  const { matrix, blocks, packed, scales, zeroPoints } = quantized;
  const { width } = matrix;
  const names = namesOf(matrix, format.bits);
  const { initializer } = model.proto.graph;
  initializer.push(makeTensorHead(names.packed, 'uint8', [width, blocks, blobBytes(format)]));
  initializer.push(makeTensorHead(names.scales, matrix.type, [width, blocks]));
  model.weights.set(names.packed, packed);
  model.weights.set(names.scales, scales);
  if (zeroPoints === undefined) return;
  const zeroRow = Math.ceil((blocks * format.bits) / 8);
  initializer.push(makeTensorHead(names.zeroPoints, 'uint8', [width, zeroRow]));
  model.weights.set(names.zeroPoints, zeroPoints);
}

function replace(
  node: NodeProto,
  quantized: QuantizedMatrix | undefined,
  options: QuantizeOptions,
): void {
  if (quantized === undefined) return;
  const { matrix, zeroPoints } = quantized;
  const { bits, blockSize = 32, accuracyLevel = 4 } = options;
  const names = namesOf(matrix, bits);
  const inputs = [node.input[0] ?? '', names.packed, names.scales];
  const made = makeNode('MatMulNBits', {
    inputs: zeroPoints === undefined ? inputs : [...inputs, names.zeroPoints],
    outputs: node.output,
    name: `${node.name ?? ''}_Q${bits}`,
    domain: 'com.microsoft',
    attributes: {
      K: BigInt(matrix.depth),
      N: BigInt(matrix.width),
      bits: BigInt(bits),
      block_size: BigInt(blockSize),
      accuracy_level: BigInt(accuracyLevel),
    },
  });
  Object.assign(node, made);
}

/** Removes transposes and weights that nothing reads any more. */
function removeUnread(model: OnnxModel): void {
  const { graph } = model.proto;
  const outputs = new Set(graph.output.map((value) => value.name ?? ''));
  const read = readNames(graph.node);
  graph.node = graph.node.filter(
    (node) =>
      node.opType !== 'Transpose' ||
      node.output.some((name) => read.has(name) || outputs.has(name)),
  );
  const stillRead = readNames(graph.node);
  const isUsed = (name: string): boolean => stillRead.has(name) || outputs.has(name);
  graph.initializer = graph.initializer.filter((tensor) => isUsed(tensor.name ?? ''));
  // Old graphs list their weights among the inputs.
  const kept = new Set(graph.initializer.map((tensor) => tensor.name ?? ''));
  const gone = [...model.weights.keys()].filter((name) => !kept.has(name));
  graph.input = graph.input.filter((value) => !gone.includes(value.name ?? ''));
  for (const name of gone) model.weights.delete(name);
}

/** Names that nodes read, those inside their graphs included. */
function readNames(nodes: readonly NodeProto[], names = new Set<string>()): Set<string> {
  for (const node of nodes) {
    for (const name of node.input) names.add(name);
    for (const { g, graphs } of node.attribute) {
      for (const inner of g === undefined ? graphs : [g, ...graphs]) {
        readNames(inner.node, names);
        for (const value of inner.output) names.add(value.name ?? '');
      }
    }
  }
  return names;
}
