/**
 * Makes a decoder graph compute the logits of wanted positions only: a Gather on the token axis
 * before the projection to the vocabulary. A long prompt then costs the logits of one token.
 */
import { makeNode, makeValueInfo } from './build-graph';
import type { GraphProto, NodeProto, OnnxModel, ValueInfoProto } from './onnx-model';
import { dimsOf } from './onnx-model';

const LOGITS = 'logits';
const WANTED_DIM = 'wanted_length';
const HIDDEN = 'logits_hidden_wanted';
/** What may stand between the projection and the logits: each token is changed on its own. */
const BY_ELEMENT = new Set(['Cast', 'Add', 'Sub', 'Mul', 'Div', 'Tanh', 'Identity']);
/** Soft caps and biases take five or six. */
const MOST_BETWEEN = 16;
/** By the place of the weights among the inputs; 0 is the hidden state. */
const PROJECTIONS = new Set(['MatMul', 'MatMulNBits']);

/**
 * Adds the input `inputName` (int64, 1-D: indexes on the token axis of the run) and edits the model
 * in place: `logits` becomes `[batch, wanted, vocabulary]`. Answers false, with the model as it
 * was, unless the graph is certain to be `[batch, tokens, hidden]` → one projection → `logits`.
 */
export function selectWantedPositions(model: OnnxModel, inputName: string): boolean {
  const { graph } = model.proto;
  const logits = graph.output.find((value) => value.name === LOGITS);
  if (logits === undefined || !hasTokenAxis(graph, logits)) return false;
  if (graph.input.some((value) => value.name === inputName)) return false;
  const chain = findProjection(graph);
  if (chain === undefined) return false;
  const { projection, changed } = chain;
  const [hidden = ''] = projection.input;
  const gather = makeNode('Gather', {
    inputs: [hidden, inputName],
    outputs: [HIDDEN],
    name: HIDDEN,
    attributes: { axis: 1n },
  });
  projection.input[0] = HIDDEN;
  graph.node.splice(graph.node.indexOf(projection), 0, gather);
  graph.input.push(makeValueInfo(inputName, 'int64', [WANTED_DIM]));
  const dim = logits.type?.tensorType?.shape?.dim[1];
  if (dim !== undefined) {
    dim.dimValue = undefined;
    dim.dimParam = WANTED_DIM;
  }
  // Their stated shapes are no longer true.
  graph.valueInfo = graph.valueInfo.filter((value) => !changed.has(value.name ?? ''));
  return true;
}

/** Whether the logits are `[batch, tokens, vocabulary]` with as many tokens as are fed. */
function hasTokenAxis(graph: GraphProto, logits: ValueInfoProto): boolean {
  const ids = graph.input.find((value) => value.name === 'input_ids');
  const idDims = ids?.type?.tensorType?.shape?.dim;
  const dims = logits.type?.tensorType?.shape?.dim;
  if (idDims?.length !== 2 || dims?.length !== 3) return false;
  const tokens = idDims[1]?.dimParam ?? '';
  const stated = dims[1]?.dimParam ?? '';
  return tokens !== '' && (stated === tokens || stated === '') && isUnstated(dims[1]?.dimValue);
}

function isUnstated(size: bigint | undefined): boolean {
  return size === undefined || size === 0n;
}

interface Chain {
  readonly projection: NodeProto;
  /** Values between the projection and the logits, both ends included. */
  readonly changed: ReadonlySet<string>;
}

function findProjection(graph: GraphProto): Chain | undefined {
  const changed = new Set<string>();
  let wanted = LOGITS;
  while (!changed.has(wanted) && changed.size < MOST_BETWEEN) {
    changed.add(wanted);
    const node = graph.node.find((candidate) => candidate.output.includes(wanted));
    if (node === undefined || node.output.length !== 1 || !isUsedOnce(graph, wanted)) return;
    if (PROJECTIONS.has(node.opType ?? '')) {
      return isProjection(graph, node) ? { projection: node, changed } : undefined;
    }
    const inner = BY_ELEMENT.has(node.opType ?? '') ? variableInput(graph, node) : undefined;
    if (inner === undefined) return undefined;
    wanted = inner;
  }
  return undefined;
}

/** The logits leave the graph and have no reader; a value before them has exactly one. */
function isUsedOnce(graph: GraphProto, name: string): boolean {
  const readers = graph.node.filter((node) => node.input.includes(name)).length;
  const isOutput = graph.output.some((value) => value.name === name);
  return readers + (isOutput ? 1 : 0) === 1 && !isReadInside(graph, name);
}

function isReadInside(graph: GraphProto, name: string): boolean {
  return graph.node.some((node) =>
    node.attribute.some(({ g, graphs }) =>
      [...(g === undefined ? [] : [g]), ...graphs].some(
        (inner) =>
          inner.node.some((reader) => reader.input.includes(name)) || isReadInside(inner, name),
      ),
    ),
  );
}

/** The one input that is not a constant of at most one axis: scales, biases, caps. */
function variableInput(graph: GraphProto, node: NodeProto): string | undefined {
  const others = node.input.filter((name) => {
    const dims = constantDims(graph, name);
    return dims === undefined || dims.length > 1;
  });
  return others.length === 1 ? others[0] : undefined;
}

function isProjection(graph: GraphProto, node: NodeProto): boolean {
  const [hidden, weights] = node.input;
  if (hidden === undefined || weights === undefined || hidden === '') return false;
  if (constantDims(graph, hidden) !== undefined) return false;
  // With weights of rank 2 the hidden state has the rank of the logits: batch, tokens, hidden.
  return node.opType === 'MatMulNBits' || constantDims(graph, weights)?.length === 2;
}

/** Dims of an initializer, of a constant node, or of the transpose or cast of one. */
function constantDims(graph: GraphProto, name: string): number[] | undefined {
  const tensor = graph.initializer.find((candidate) => candidate.name === name);
  if (tensor !== undefined) return dimsOf(tensor);
  const node = graph.node.find((candidate) => candidate.output.includes(name));
  if (node?.opType === 'Constant') {
    const value = node.attribute.find((attribute) => attribute.name === 'value')?.t;
    return value === undefined ? [] : dimsOf(value);
  }
  const [source = ''] = node?.input ?? [];
  if (node?.opType === 'Transpose') return constantDims(graph, source)?.toReversed();
  return node?.opType === 'Cast' ? constantDims(graph, source) : undefined;
}
