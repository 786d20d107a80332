/**
 * For tests: quantises a model of large matrices in an OS process of its own, as they are stored by
 * exporters: `[K, N]` of several shapes, and the transpose of `[N, K]`.
 *
 * Arguments: a folder, and the bits. Answer: one line of JSON with the bytes of the weights, before
 * and after, and by how many the most memory that was in use has grown meanwhile (Linux).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeGraph, makeModel, makeNode, makeTensorHead, makeValueInfo } from '../build-graph';
import type { OnnxModel } from '../onnx-model';
import { quantizeModel } from '../quantize/quantize-model';
import { readModel } from '../read-model';
import { WeightFile } from '../weight-file';
import { weightBytes, writeModel } from '../write-model';

/** 64 MiB each. */
const SHAPES = [
  { dims: [4096, 4096], isTransposed: false },
  { dims: [1024, 16_384], isTransposed: false },
  { dims: [16_384, 1024], isTransposed: false },
  { dims: [16_384, 1024], isTransposed: true },
] as const;

/** Zeros that take no place on the disk: what is computed of them is not the question here. */
function largeModel(weights: WeightFile): OnnxModel {
  const nodes = SHAPES.flatMap(({ isTransposed }, index) => [
    ...(isTransposed ? [makeNode('Transpose', { inputs: [`w${index}`], outputs: ['w_t'] })] : []),
    makeNode('MatMul', {
      inputs: [`x${index}`, isTransposed ? 'w_t' : `w${index}`],
      outputs: [`y${index}`],
    }),
  ]);
  const value = (name: string) => makeValueInfo(name, 'float32', ['rows', 'size']);
  const graph = makeGraph({
    nodes,
    inputs: SHAPES.map((_, index) => value(`x${index}`)),
    outputs: SHAPES.map((_, index) => value(`y${index}`)),
    initializers: SHAPES.map(({ dims }, index) => makeTensorHead(`w${index}`, 'float32', dims)),
  });
  const model = makeModel(graph);
  SHAPES.forEach(({ dims: [rows, columns] }, index) => {
    const range = weights.reserve(rows * columns * 4);
    weights.write(range, range.byteLength - 4, new Uint8Array(4));
    model.weights.set(`w${index}`, range);
  });
  return model;
}

/** The most that was in use since the program began; what the file says is in KiB. */
function peakBytes(): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

function main(): void {
  const [, , folder = '', bits] = process.argv;
  const source = new WeightFile(join(folder, 'source'));
  const target = new WeightFile(join(folder, 'target'));
  const before = peakBytes();
  const model = largeModel(source);
  const sourceBytes = weightBytes(model);
  quantizeModel(model, target, { bits: bits === '4' ? 4 : 8 });
  const graphFile = join(folder, 'model.onnx');
  writeModel(model, graphFile);
  source.close();
  target.close();
  const grownBytes = peakBytes() - before;
  const targetBytes = weightBytes(readModel(graphFile));
  process.stdout.write(`${JSON.stringify({ sourceBytes, targetBytes, grownBytes })}\n`);
}

main();
