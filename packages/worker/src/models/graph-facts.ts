/** What is read from a graph without loading it. */
import type { TensorSpec } from '../ports/model-runner';

export interface GraphFacts {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Names of the operators in use. */
  readonly operators: ReadonlySet<string>;
  /** Files beside the graph that hold weights, as the graph names them. */
  readonly externalFiles: readonly string[];
}

/** Whether rows of one batch change each other: activations are quantised over the whole batch. */
export function hasDependentRows(graph: GraphFacts): boolean {
  return [...graph.operators].some((name) => name.startsWith('DynamicQuantize'));
}

/** Whether the past is read and the present written in one buffer of the full length. */
export function sharesKvBuffer(graph: GraphFacts): boolean {
  return graph.operators.has('GroupQueryAttention');
}
