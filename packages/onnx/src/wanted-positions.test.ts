import {
  makeGraph,
  makeModel,
  makeNode,
  makeTensor,
  makeTensorHead,
  makeValueInfo,
} from './build-graph';
import type { NodeProto, OnnxModel } from './onnx-model';
import { selectWantedPositions } from './wanted-positions';

interface Decoder {
  readonly tail?: readonly NodeProto[];
  readonly projection?: NodeProto;
  readonly logits?: readonly (string | number)[];
  readonly outputs?: readonly string[];
}

const product = (output: string): NodeProto =>
  makeNode('MatMul', { inputs: ['hidden', 'w'], outputs: [output] });

function decoder(of: Decoder = {}): OnnxModel {
  const { logits = ['batch', 'tokens', 9], outputs = [] } = of;
  const graph = makeGraph({
    nodes: [
      makeNode('Gather', { inputs: ['embedding', 'input_ids'], outputs: ['hidden'] }),
      of.projection ?? product('logits'),
      ...(of.tail ?? []),
    ],
    inputs: [makeValueInfo('input_ids', 'int64', ['batch', 'tokens'])],
    outputs: [
      makeValueInfo('logits', 'float32', logits),
      ...outputs.map((name) => makeValueInfo(name, 'float32', ['batch', 'tokens', 9])),
    ],
    initializers: [
      makeTensorHead('embedding', 'float32', [9, 4]),
      makeTensorHead('w', 'float32', [4, 9]),
      makeTensor('cap', 'float32', [], [30]),
      makeTensor('table', 'float32', [1, 1, 9], new Float32Array(9)),
    ],
  });
  graph.valueInfo.push(makeValueInfo('raw', 'float32', ['batch', 'tokens', 9]));
  return makeModel(graph);
}

const capped = [
  makeNode('Div', { inputs: ['raw', 'cap'], outputs: ['scaled'] }),
  makeNode('Tanh', { inputs: ['scaled'], outputs: ['bent'] }),
  makeNode('Mul', { inputs: ['bent', 'cap'], outputs: ['logits'] }),
];

describe('logits of wanted positions', () => {
  it('are chosen before the projection to the vocabulary', () => {
    const model = decoder();
    expect(selectWantedPositions(model, 'logits_positions')).toBe(true);
    const { node, input, output } = model.proto.graph;
    expect(node.map((each) => each.opType)).toEqual(['Gather', 'Gather', 'MatMul']);
    expect(node[1]?.input).toEqual(['hidden', 'logits_positions']);
    expect(node[2]?.input).toEqual([node[1]?.output[0], 'w']);
    expect(input.map((value) => value.name)).toEqual(['input_ids', 'logits_positions']);
    const dims = output[0]?.type?.tensorType?.shape?.dim.map((dim) => dim.dimParam ?? dim.dimValue);
    expect(dims).toEqual(['batch', 'wanted_length', 9n]);
    expect(selectWantedPositions(model, 'logits_positions')).toBe(false);
  });

  it('are chosen through operators that change each token on its own', () => {
    const model = decoder({ projection: product('raw'), tail: capped });
    expect(selectWantedPositions(model, 'logits_positions')).toBe(true);
    expect(model.proto.graph.valueInfo).toEqual([]);
  });

  const softmax = makeNode('Softmax', { inputs: ['raw'], outputs: ['logits'] });
  const shifted = makeNode('Add', { inputs: ['raw', 'table'], outputs: ['logits'] });
  const gemm = makeNode('Gemm', { inputs: ['hidden', 'w'], outputs: ['logits'] });
  it.each<[string, Decoder]>([
    ['another operator stands between', { projection: product('raw'), tail: [softmax] }],
    ['a constant may differ by token', { projection: product('raw'), tail: [shifted] }],
    ['the projection is another operator', { projection: gemm }],
    ['logits have no token axis', { logits: ['batch', 9] }],
    ['logits are of another number of tokens', { logits: ['batch', 1, 9] }],
    [
      'a value between is an output',
      { projection: product('raw'), tail: capped, outputs: ['raw'] },
    ],
  ])('stay as they are where %s', (_, of) => {
    const model = decoder(of);
    const before = structuredClone(model.proto);
    expect(selectWantedPositions(model, 'logits_positions')).toBe(false);
    expect(model.proto).toEqual(before);
  });
});
