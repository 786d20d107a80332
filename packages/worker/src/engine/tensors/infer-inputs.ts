/** Checks the tensors of an `infer` call against what the graph takes. */
import { LlmosError, quoteShort } from '@llmos/base';
import type { HostTensor, TensorSpec } from '../../ports/model-runner';

export interface InputCheck {
  readonly specs: readonly TensorSpec[];
  readonly inputs: ReadonlyMap<string, HostTensor>;
}

/** Throws INVALID_ARGUMENT that names the input and both sides of a mismatch. */
export function assertInputs(check: InputCheck): void {
  const { specs, inputs } = check;
  const known = new Map(specs.map((spec) => [spec.name, spec]));
  for (const name of inputs.keys()) {
    if (!known.has(name)) {
      throw invalid(`unknown input ${quoteShort(name)}; the model takes ${namesOf(specs)}`);
    }
  }
  const sizes = new Map<string, { readonly size: number; readonly input: string }>();
  for (const spec of specs) {
    const tensor = inputs.get(spec.name);
    if (tensor === undefined) {
      throw invalid(`input ${quoteShort(spec.name)} is missing; the model takes ${namesOf(specs)}`);
    }
    assertTensor(spec, tensor);
    assertSameSizes(spec, tensor, sizes);
  }
}

export function assertOutputs(specs: readonly TensorSpec[], wanted: readonly string[]): void {
  for (const name of wanted) {
    const spec = specs.find((candidate) => candidate.name === name);
    if (spec === undefined) {
      throw invalid(`unknown output ${quoteShort(name)}; the model gives ${namesOf(specs)}`);
    }
    if (spec.type === 'unsupported') {
      throw new LlmosError('UNIMPLEMENTED', `output ${quoteShort(name)} is not a tensor`);
    }
  }
}

/** Sizes of the named dimensions, as the inputs have them. */
export function namedSizes({ specs, inputs }: InputCheck): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const spec of specs) {
    spec.dims.forEach((dim, axis) => {
      const size = inputs.get(spec.name)?.dims[axis];
      if (typeof dim === 'string' && dim !== '' && size !== undefined) sizes.set(dim, size);
    });
  }
  return sizes;
}

/** The dims that a run will give, where the graph says how they follow from the inputs'. */
export function knownDims(
  spec: TensorSpec,
  sizes: ReadonlyMap<string, number>,
): readonly number[] | undefined {
  const dims = spec.dims.map((dim) => (typeof dim === 'number' ? dim : sizes.get(dim)));
  return dims.every((dim) => dim !== undefined) ? dims : undefined;
}

function assertTensor(spec: TensorSpec, tensor: HostTensor): void {
  const place = `input ${quoteShort(spec.name)}`;
  if (tensor.type !== spec.type) {
    throw invalid(`${place} is ${tensor.type}; the model takes ${spec.type}`);
  }
  const isSameShape =
    tensor.dims.length === spec.dims.length &&
    spec.dims.every((dim, axis) => typeof dim !== 'number' || dim === tensor.dims[axis]);
  if (isSameShape) return;
  throw invalid(`${place} has dims ${shown(tensor.dims)}; the model takes ${shown(spec.dims)}`);
}

/** Dimensions of one name have one size, over all inputs. */
function assertSameSizes(
  spec: TensorSpec,
  tensor: HostTensor,
  sizes: Map<string, { readonly size: number; readonly input: string }>,
): void {
  spec.dims.forEach((dim, axis) => {
    const size = tensor.dims[axis];
    if (typeof dim === 'number' || dim === '' || size === undefined) return;
    const seen = sizes.get(dim);
    if (seen === undefined) sizes.set(dim, { size, input: spec.name });
    else if (seen.size !== size) {
      throw invalid(
        `input ${quoteShort(spec.name)} has ${size} as ${dim}, but input ` +
          `${quoteShort(seen.input)} has ${seen.size}`,
      );
    }
  });
}

function shown(dims: readonly (number | string)[]): string {
  return `[${dims.map((dim) => (dim === '' ? '?' : dim)).join(', ')}]`;
}

function namesOf(specs: readonly TensorSpec[]): string {
  return specs
    .slice(0, 20)
    .map((spec) => `${spec.name} (${spec.type} ${shown(spec.dims)})`)
    .join(', ');
}

function invalid(message: string): LlmosError {
  return new LlmosError('INVALID_ARGUMENT', message);
}
