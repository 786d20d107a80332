/**
 * The keys and values of one sequence, as the graph takes and gives them.
 *
 * Two ways: a *shared* graph (GroupQueryAttention) has past and present of the full length and
 * writes the new part in place, which on the CPU means one buffer for both; any other graph gives
 * its past back with the new part appended. On a device with memory of its own the tensors stay
 * there; each is disposed of once its successor exists.
 */
import { LlmosError, quoteShort } from '@llmos/base';
import type { TensorType } from '@llmos/base';
import type { GenerationSettings } from '../models/model-settings';
import type { HostTensor, ModelRunner, RunnerTensor, TensorSpec } from '../ports/model-runner';
import { zeroTensor } from './tensor-values';

export interface KvPair {
  readonly input: string;
  readonly output: string;
  readonly type: TensorType;
  readonly dimsOf: (tokens: number) => readonly number[];
}

/** `past_key_values.0.key` ↔ `present.0.key`, `past_0` ↔ `present_0`, … */
export function presentNames(past: string): readonly string[] {
  return [
    past.replace(/^past_key_values/, 'present'),
    past.replace(/^past/, 'present'),
    past.replace(/^past_key_values/, 'present_key_values'),
  ];
}

/** Throws FAILED_PRECONDITION where a past has no present, or a size is not known. */
export function findKvPairs(
  runner: Pick<ModelRunner, 'inputs' | 'outputs'>,
  settings: GenerationSettings,
): readonly KvPair[] {
  const outputs = new Set(runner.outputs.map((spec) => spec.name));
  return runner.inputs
    .filter((spec) => spec.name.startsWith('past'))
    .map((spec) => {
      const output = presentNames(spec.name).find((name) => outputs.has(name));
      if (output === undefined || spec.type === 'unsupported') {
        throw refuse(`the graph's input ${quoteShort(spec.name)} has no present beside it`);
      }
      return { input: spec.name, output, type: spec.type, dimsOf: dimsReader(spec, settings) };
    });
}

/** Keys and values end with `[…, heads, tokens, head size]`; what stands before counts one. */
function dimsReader(
  spec: TensorSpec,
  settings: GenerationSettings,
): (tokens: number) => readonly number[] {
  const rank = spec.dims.length;
  const sizes: Readonly<Record<number, number | undefined>> = {
    [rank - 3]: settings.kvHeads,
    [rank - 1]: settings.headSize,
  };
  const dims = spec.dims.map((dim, axis) => {
    if (typeof dim === 'number' || axis === rank - 2) return Number(dim);
    const size = axis < rank - 3 ? 1 : sizes[axis];
    if (size !== undefined) return size;
    throw refuse(`the size of dimension ${axis} of ${quoteShort(spec.name)} is not known`);
  });
  return (tokens) => dims.map((dim, axis) => (axis === rank - 2 ? tokens : dim));
}

export interface KvCacheOptions {
  readonly pairs: readonly KvPair[];
  readonly isShared: boolean;
  /** Whether the graph's outputs are host tensors, which can be filled in place. */
  readonly isOnHost: boolean;
  /** Tokens that the sequence may come to. */
  readonly capacityTokens: number;
}

export class KvCache {
  private readonly tensors = new Map<string, RunnerTensor>();

  constructor(private readonly options: KvCacheOptions) {
    const tokens = options.isShared ? options.capacityTokens : 0;
    for (const pair of options.pairs) {
      this.tensors.set(pair.input, zeroTensor(pair.type, pair.dimsOf(tokens)));
    }
  }

  inputs(): ReadonlyMap<string, RunnerTensor> {
    return this.tensors;
  }

  outputs(): ReadonlyMap<string, HostTensor | 'new'> {
    const isInPlace = this.options.isShared && this.options.isOnHost;
    return new Map(
      this.options.pairs.map((pair) => {
        const past = this.tensors.get(pair.input);
        return [pair.output, isInPlace && past?.kind === 'host' ? past : 'new'];
      }),
    );
  }

  /** Takes the present of a run that succeeded as the next past. */
  accept(results: ReadonlyMap<string, RunnerTensor>): void {
    for (const pair of this.options.pairs) {
      const present = results.get(pair.output);
      if (present === undefined) throw refuse(`the graph gave no ${quoteShort(pair.output)}`);
      const past = this.tensors.get(pair.input);
      this.tensors.set(pair.input, present);
      if (past?.kind === 'device') past.dispose();
    }
  }

  close(): void {
    for (const tensor of this.tensors.values()) if (tensor.kind === 'device') tensor.dispose();
    this.tensors.clear();
  }
}

function refuse(message: string): LlmosError {
  return new LlmosError('FAILED_PRECONDITION', message);
}
