/** A small input to try a package with: one step that touches the whole graph. */
import type { ModelManifest, TensorType, TensorValue } from '@llmos/base';
import { LlmosError, quoteShort } from '@llmos/base';
import { profileOf } from '../models/model-tasks';
import type { TensorSpec } from '../ports/model-runner';
import { elementCount } from '../engine/tensors/tensor-values';

export function sampleInput(manifest: ModelManifest, inputs: readonly TensorSpec[]): object {
  switch (profileOf(manifest.task).engine) {
    case 'encoder':
      return { text: 'The quick brown fox jumps over the lazy dog.' };
    case 'decoder':
      return { prompt: 'a', maxTokens: 2, temperature: 0 };
    case 'tensor':
      return { inputs: zeroInputs(manifest, inputs) };
  }
}

/** Zeros; a dimension without a size counts one. State that the model keeps is left out. */
function zeroInputs(
  manifest: ModelManifest,
  inputs: readonly TensorSpec[],
): Record<string, TensorValue> {
  const states = new Set((manifest.state ?? []).map((pair) => pair.input));
  const entries = inputs
    .filter((spec) => !states.has(spec.name))
    .map((spec) => {
      if (spec.type === 'unsupported') {
        const name = quoteShort(spec.name);
        throw new LlmosError('UNIMPLEMENTED', `the graph's input ${name} is not a tensor`);
      }
      const dims = spec.dims.map((dim) => (typeof dim === 'number' ? dim : 1));
      return [spec.name, zeroValue(spec.name, spec.type, dims)] as const;
    });
  return Object.fromEntries(entries);
}

function zeroValue(name: string, type: TensorType, dims: readonly number[]): TensorValue {
  const count = elementCount(dims, `the graph's input ${quoteShort(name)}`);
  const zero = type === 'string' ? '' : type === 'bool' ? false : 0;
  return { type, dims, data: new Array<typeof zero>(count).fill(zero) };
}
