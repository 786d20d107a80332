/** Finds the tensors that carry a stateful model's state from one call to the next. */
import type { StatePair } from '@llmos/base';
import type { TensorSpec } from '../ports/model-runner';

/** Output names that mean "the next value of this input". */
function nextNames(input: string): readonly string[] {
  return [
    `${input}N`,
    `${input}_out`,
    `${input}_output`,
    `${input}_n`,
    `${input}_next`,
    `new_${input}`,
    `next_${input}`,
    ...(input.endsWith('_in') ? [`${input.slice(0, -3)}_out`] : []),
    ...(input.startsWith('past') ? [`present${input.slice('past'.length)}`] : []),
  ];
}

/** Dynamic dimensions of the initial state count one: one caller, one row. */
export function inferStatePairs(
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
): readonly StatePair[] {
  const byName = new Map(outputs.map((output) => [output.name, output]));
  const pairs = inputs.flatMap((input) => {
    const output = nextNames(input.name)
      .map((name) => byName.get(name))
      .find((found) => found !== undefined && isNextValueOf(found, input));
    if (output === undefined || input.type === 'unsupported') return [];
    const dims = input.dims.map((dim) => (typeof dim === 'number' ? dim : 1));
    return [{ input: input.name, output: output.name, dims, type: input.type }];
  });
  // A model that only turns x into x_out is a filter, not a stateful model.
  const isOnlyState = pairs.length === inputs.length || pairs.length === outputs.length;
  return isOnlyState ? [] : pairs;
}

function isNextValueOf(output: TensorSpec, input: TensorSpec): boolean {
  if (output.type !== input.type || output.dims.length !== input.dims.length) return false;
  return input.dims.every((dim, axis) => {
    const other = output.dims[axis];
    return typeof dim !== 'number' || typeof other !== 'number' || dim === other;
  });
}
