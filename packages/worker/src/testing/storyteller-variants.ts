/** For tests: the shipped storyteller in other number formats, in temporary folders. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { toFloat16Bits } from '@llmos/base';
import type { OnnxModel, TensorProto, ValueInfoProto } from '@llmos/onnx';
import {
  WeightFile,
  bytesOf,
  dimsOf,
  elementTypeId,
  makeTensor,
  quantizeModel,
  readModel,
  readRange,
  writeModel,
} from '@llmos/onnx';
import { shippedModel } from './model-folders';

export type StorytellerVariant = 'float16' | 'q8' | 'q4';

export interface VariantFolder {
  readonly folder: string;
  remove(): void;
}

const GRAPH = join('onnx', 'model.onnx');

/** A package as the shipped one, but for its graph. */
export function writeStoryteller(variant: StorytellerVariant): VariantFolder {
  const folder = mkdtempSync(join(tmpdir(), `llmos-storyteller-${variant}-`));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const source = shippedModel('storyteller');
    cpSync(source, folder, { recursive: true, filter: (path) => basename(path) !== 'model.onnx' });
    const model = readModel(join(source, GRAPH));
    const file = join(folder, GRAPH);
    if (variant === 'float16') writeHalf(model, file);
    else writeQuantized(model, file, variant === 'q8' ? 8 : 4);
  } catch (thrown) {
    remove();
    throw thrown;
  }
  return { folder, remove };
}

function writeQuantized(model: OnnxModel, file: string, bits: 4 | 8): void {
  const weights = new WeightFile(`${file}.weights`);
  try {
    quantizeModel(model, weights, { bits });
  } finally {
    weights.close();
  }
  writeModel(model, file, { weights: 'inside' });
  rmSync(weights.file);
}

/** Weights, keys, values and logits alike: the graph computes no float that it does not read. */
function writeHalf(model: OnnxModel, file: string): void {
  const { graph } = model.proto;
  graph.initializer = graph.initializer.map((tensor) => halfTensor(model, tensor));
  model.weights.clear();
  for (const value of [...graph.input, ...graph.output, ...graph.valueInfo]) halve(value);
  writeModel(model, file);
}

function halfTensor(model: OnnxModel, tensor: TensorProto): TensorProto {
  const name = tensor.name ?? '';
  const range = model.weights.get(name);
  const bytes = range === undefined ? tensor.rawData : readRange(range);
  if (tensor.dataType !== elementTypeId('float32')) {
    return range === undefined ? tensor : { ...tensor, rawData: bytes };
  }
  const floats = new Float32Array(Uint8Array.from(bytes ?? []).buffer);
  const bits = Uint16Array.from(floats, toFloat16Bits);
  return makeTensor(name, 'float16', dimsOf(tensor), bytesOf(bits));
}

function halve(value: ValueInfoProto): void {
  const tensorType = value.type?.tensorType;
  if (tensorType?.elemType !== elementTypeId('float32')) return;
  tensorType.elemType = elementTypeId('float16');
}
