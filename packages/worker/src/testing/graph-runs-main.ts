/**
 * For tests: runs a decoder graph as it is, with logits of wanted positions only, and with shared
 * weights, in an OS process of its own, and prints how far the logits are from each other.
 *
 * Arguments: the graph's file, and a folder for shared weights. Answer: one line of JSON, by way of
 * opening: the largest difference.
 */
import { openOnnxRunner } from '../adapters/onnxruntime/onnx-runner';
import { sampleInputs } from '../package-programs/graph-comparison';
import { WANTED_POSITIONS } from '../models/graph-facts';
import type { HostTensor, ModelRunner } from '../ports/model-runner';

const TOKENS = 40;
const POSITIONS = [3, TOKENS - 1];
const IDS = Array.from({ length: TOKENS }, (_, index) => 5 + ((index * 7) % 200));

const positions: HostTensor = {
  kind: 'host',
  type: 'int64',
  dims: [POSITIONS.length],
  elements: BigInt64Array.from(POSITIONS, BigInt),
};

async function logitsOf(runner: ModelRunner, isWanted: boolean): Promise<HostTensor> {
  const inputs = sampleInputs(runner.inputs, { rows: 1, ids: IDS, length: TOKENS });
  if (isWanted) inputs.set(WANTED_POSITIONS, positions);
  const tensors = await runner.run({ inputs, outputs: new Map([['logits', 'new']]) });
  return tensors.get('logits') as HostTensor;
}

function largestDifference(all: HostTensor, some: HostTensor, at: readonly number[]): number {
  const width = all.dims.at(-1) ?? 0;
  const found = at.map((position, index) => {
    let most = 0;
    for (let column = 0; column < width; column += 1) {
      const expected = Number(all.elements[position * width + column]);
      most = Math.max(most, Math.abs(expected - Number(some.elements[index * width + column])));
    }
    return most;
  });
  return some.elements.length === at.length * width ? Math.max(...found) : Infinity;
}

function largestOf({ elements }: HostTensor): number {
  let most = 0;
  for (const value of elements) most = Math.max(most, Math.abs(Number(value)));
  return most;
}

async function main(): Promise<void> {
  const options = { graphFile: process.argv[2] ?? '', device: 'cpu', intraOpThreads: 1 };
  const plain = await openOnnxRunner(options);
  const edited = await openOnnxRunner({ ...options, wantedPositions: WANTED_POSITIONS });
  const weightsFolder = process.argv[3] ?? '';
  const shared = await openOnnxRunner({ ...options, weightsFolder, sharesWeights: true });
  const expected = await logitsOf(plain, false);
  const every = IDS.map((_, index) => index);
  const answer = {
    inputs: edited.inputs.filter((spec) => spec.isOptional).map((spec) => spec.name),
    wanted: largestDifference(expected, await logitsOf(edited, true), POSITIONS),
    allOfEdited: largestDifference(expected, await logitsOf(edited, false), every),
    shared: largestDifference(expected, await logitsOf(shared, false), every),
    largest: largestOf(expected),
  };
  process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0));
}

void main();
