import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onnx } from '@llmos/proto';
import {
  encodeGraph,
  makeGraph,
  makeModel,
  makeNode,
  makeTensor,
  makeTensorHead,
  makeValueInfo,
} from './build-graph';
import type { OnnxModel } from './onnx-model';
import { attributeOf, initializerOf } from './onnx-model';
import { readModel } from './read-model';
import { WeightFile, bytesOf } from './weight-file';
import { readRange } from './weight-range';
import { absorbWeights, encodeModel, placeWeights, writeModel } from './write-model';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmos-onnx-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const values = Float32Array.from({ length: 1000 }, (_, index) => index / 7);
const bias = Float32Array.from({ length: 20 }, (_, index) => -index);

/** y = x · w + b, with `w` in a file of its own. */
function product(): OnnxModel {
  const weights = new WeightFile(join(folder, 'made'));
  const graph = makeGraph({
    nodes: [
      makeNode('MatMul', { inputs: ['x', 'w'], outputs: ['xw'] }),
      makeNode('Add', {
        inputs: ['xw', 'b'],
        outputs: ['y'],
        attributes: { last: 2n ** 63n - 1n },
      }),
    ],
    inputs: [makeValueInfo('x', 'float32', ['rows', 50])],
    outputs: [makeValueInfo('y', 'float32', ['rows', 20])],
    initializers: [
      makeTensorHead('w', 'float32', [50, 20]),
      makeTensor('b', 'float32', [20], bias),
    ],
  });
  const model = makeModel(graph);
  model.weights.set(
    'w',
    weights.append(4000, [bytesOf(values).slice(0, 999), bytesOf(values).slice(999)]),
  );
  weights.close();
  return model;
}

function weightsOf(model: OnnxModel, name: string): Uint8Array {
  const range = model.weights.get(name);
  if (range === undefined) throw new Error(`no weights ${name}`);
  return readRange(range);
}

describe('reading and writing a model', () => {
  it.each(['inside', 'beside'] as const)(
    'finds the weights again that were written %s',
    (weights) => {
      const file = join(folder, 'model.onnx');
      const progress: number[] = [];
      writeModel(product(), file, { weights, onProgress: (done) => progress.push(done) });
      expect(progress.at(-1)).toBe(4000);
      const read = readModel(file);
      expect(weightsOf(read, 'w')).toEqual(bytesOf(values));
      expect(read.weights.get('w')?.file).toBe(weights === 'inside' ? file : `${file}_data`);
      // Small tensors stay in the message, and so does all that a graph says of its nodes.
      expect(initializerOf(read, 'b')?.rawData).toEqual(bytesOf(bias));
      const [, add] = read.proto.graph.node;
      expect(add === undefined ? undefined : attributeOf(add, 'last')?.i).toBe(2n ** 63n - 1n);
      // A second writing changes nothing.
      const again = join(folder, 'again.onnx');
      writeModel(read, again, { weights: 'inside' });
      writeModel(readModel(again), file, { weights: 'inside' });
      expect(readFileSync(file)).toEqual(readFileSync(again));
    },
  );

  it('keeps fields that it does not know', () => {
    const unknown = Buffer.of(0xfa, 0x3f, 3, 1, 2, 3);
    const bytes = encodeGraph(product().proto.graph);
    writeFileSync(join(folder, 'newer.onnx'), Buffer.concat([bytes, unknown]));
    const written = onnx.ModelProto.encode(readModel(join(folder, 'newer.onnx')).proto).finish();
    expect(Buffer.from(written).includes(unknown)).toBe(true);
  });

  it('gives a session a message with its weights, or with the place where they lie', () => {
    const file = join(folder, 'model.onnx');
    writeModel(product(), file);
    const inMemory = onnx.ModelProto.decode(
      encodeModel(absorbWeights(readModel(file), file), folder),
    );
    expect(inMemory.graph?.initializer.map((tensor) => tensor.rawData?.length)).toEqual([4000, 80]);
    const first = placeWeights(readModel(file), join(folder, 'weights'));
    const modified = statSync(join(folder, 'weights')).mtimeMs;
    const second = placeWeights(readModel(file), join(folder, 'weights'));
    expect(second.weights).toEqual(first.weights);
    expect(statSync(join(folder, 'weights')).mtimeMs).toBe(modified);
    expect(weightsOf(second, 'w')).toEqual(bytesOf(values));
    const external = onnx.ModelProto.decode(encodeModel(second, folder));
    const entries = external.graph?.initializer.flatMap((tensor) => tensor.externalData);
    expect(entries).toContainEqual(expect.objectContaining({ key: 'location', value: 'weights' }));
  });

  it('refuses weights outside the folder, after the end of their file, and damage', () => {
    const file = join(folder, 'model.onnx');
    const write = (location: string, length: number): void => {
      const { graph } = product().proto;
      const [head] = graph.initializer;
      if (head === undefined) throw new Error('no weights');
      head.dataLocation = onnx.TensorProto_DataLocation.EXTERNAL;
      head.externalData = [
        { key: 'location', value: location },
        { key: 'length', value: String(length) },
      ];
      writeFileSync(file, encodeGraph(graph));
    };
    for (const location of ['../made', '/etc/hostname', '..', '']) {
      write(location, 4000);
      expect(() => readModel(file)).toThrow(/outside its folder/);
    }
    write('made', 9_000_000);
    expect(() => readModel(file)).toThrow(/ends after its file/);
    writeFileSync(file, 'not a graph');
    expect(() => readModel(file)).toThrow(/not an ONNX model/);
    writeFileSync(file, Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f));
    expect(() => readModel(file)).toThrow(/not an ONNX model/);
  });
});
