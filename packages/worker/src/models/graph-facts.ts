/** What is read from a graph without loading it. */
import type { ModelTraits } from '@llmos/base';
import type { TensorSpec } from '../ports/model-runner';

/** Input that a decoder graph gets when it is loaded: the tokens of a run whose logits are wanted. */
export const WANTED_POSITIONS = 'logits_positions';

export interface GraphFacts {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Names of the operators in use. */
  readonly operators: ReadonlySet<string>;
  /** Files beside the graph that hold weights, as the graph names them. */
  readonly externalFiles: readonly string[];
  /** Bits of a weight, of most of them: 4 and 8 in blocks that share a scale, else 8, 16, 32. */
  readonly weightBits: number;
}

/** Whether rows of one batch change each other: activations are quantised over the whole batch. */
export function hasDependentRows(graph: GraphFacts): boolean {
  return [...graph.operators].some((name) => name.startsWith('DynamicQuantize'));
}

/** Whether the past is read and the present written in one buffer of the full length. */
export function sharesKvBuffer(graph: GraphFacts): boolean {
  return graph.operators.has('GroupQueryAttention');
}

/** What the graph decides about how a model runs. */
export function traitsOf(graph: GraphFacts): ModelTraits {
  const past = graph.inputs.find((input) => input.name.startsWith('past'));
  return {
    rows: hasDependentRows(graph) ? 'dependent' : 'independent',
    weightBits: graph.weightBits,
    ...(past === undefined ? {} : { kv: { type: past.type, isShared: sharesKvBuffer(graph) } }),
  };
}
