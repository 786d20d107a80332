/** Real graphs, run in a process of their own: the runtime fails inside a test's realm. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  makeGraph,
  makeModel,
  makeNode,
  makeTensor,
  makeValueInfo,
  quantizeModel,
  readModel,
  WeightFile,
  writeModel,
} from '@llmos/onnx';
import { onnxEnvironment } from '../os/onnx-environment';
import { runProgram } from '../os/run-program';
import { itWithShared, shippedModel } from '../../testing/model-folders';
import { prepareGraph } from './prepare-graph';

const ENTRY = join(__dirname, '..', '..', '..', 'dist', 'testing', 'graph-runs-main.js');

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmos-weights-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function expectSameLogits(graphFile: string): Promise<void> {
  const outcome = await runProgram({
    file: process.execPath,
    args: [ENTRY, graphFile, folder],
    limitMs: 100_000,
    maxOutputBytes: 1024 * 1024,
    env: onnxEnvironment(),
  });
  if (outcome.kind === 'failed') throw new Error(outcome.reason);
  const answer = JSON.parse(outcome.stdout.trim().split('\n').at(-1) ?? '') as {
    readonly largest: number;
    readonly shared: number;
  };
  expect(answer).toMatchObject({ inputs: ['logits_positions'], wanted: 0, allOfEdited: 0 });
  expect(answer.largest).toBeGreaterThan(0);
  // Without prepacking the products are summed in another order.
  expect(answer.shared).toBeLessThanOrEqual(answer.largest * 1e-5);
}

describe('a decoder graph that is edited when it is loaded', () => {
  it('gives the logits of wanted positions as they were: storyteller', async () => {
    await expectSameLogits(join(shippedModel('storyteller'), 'onnx', 'model.onnx'));
    expect(readdirSync(folder)).toEqual(['weights']);
  });

  itWithShared('the same: gpt2, past and present concatenated', 'tiny-random-gpt2', (folder) =>
    expectSameLogits(join(folder, 'past.onnx')),
  );

  itWithShared('the same: llama, fp16, weights in a file', 'tiny-random-llama-fp16', (folder) =>
    expectSameLogits(join(folder, 'model.onnx')),
  );
});

describe('weights that all threads use as they lie in a file', () => {
  function writeProduct(graphFile: string): void {
    const weights = Array.from({ length: 64 * 64 }, (_, index) => Math.sin(index));
    const graph = makeGraph({
      nodes: [makeNode('MatMul', { inputs: ['x', 'w'], outputs: ['y'] })],
      inputs: [makeValueInfo('x', 'float32', ['rows', 64])],
      outputs: [makeValueInfo('y', 'float32', ['rows', 64])],
      initializers: [makeTensor('w', 'float32', [64, 64], weights)],
    });
    writeModel(makeModel(graph), graphFile);
  }

  const prepare = (graphFile: string) =>
    prepareGraph({ graphFile, device: 'cpu', weightsFolder: folder, sharesWeights: true });

  it('are not packed again for each of them', () => {
    const graphFile = join(folder, 'model.onnx');
    writeProduct(graphFile);
    const { settings } = prepare(graphFile);
    expect(settings).toMatchObject({ 'session.disable_prepacking': '1' });
    expect(readdirSync(folder).sort()).toEqual(['model.onnx', 'weights']);
  });

  it('are packed where they are blocks of a few bits, which every run would unpack', () => {
    const graphFile = join(folder, 'model.onnx');
    writeProduct(graphFile);
    const model = readModel(graphFile);
    const blocks = new WeightFile(join(folder, 'blocks'));
    quantizeModel(model, blocks, { bits: 4 });
    writeModel(model, graphFile);
    blocks.close();
    expect(prepare(graphFile)).toMatchObject({ graph: graphFile, settings: {} });
    expect(readdirSync(folder).sort()).toEqual(['blocks', 'model.onnx']);
  });
});
