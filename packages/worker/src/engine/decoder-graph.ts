/** Runs a decoder graph for one sequence at a time: tokens in, logits of the next token out. */
import { LlmosError, quoteShort } from '@llmos/base';
import type { GenerationSettings } from '../models/model-settings';
import type { HostTensor, ModelRunner, TensorSpec } from '../ports/model-runner';
import { integerTensor, toFloat32 } from './encoder-graph';
import type { KvPair } from './kv-cache';
import { KvCache, findKvPairs } from './kv-cache';

export interface DecoderGraphOptions {
  readonly runner: ModelRunner;
  readonly settings: GenerationSettings;
  /** Past and present are one buffer of the full length. */
  readonly isShared: boolean;
}

/** What a step feeds to inputs other than keys and values. */
interface Step {
  readonly ids: readonly number[];
  /** Tokens that the cache holds already. */
  readonly pastTokens: number;
}

const FEEDS: Readonly<Record<string, (spec: TensorSpec, step: Step) => HostTensor>> = {
  input_ids: (spec, { ids }) => integerTensor(spec, ids, [1, ids.length]),
  attention_mask: (spec, { ids, pastTokens }) => {
    const total = pastTokens + ids.length;
    return integerTensor(spec, new Array<number>(total).fill(1), [1, total]);
  },
  position_ids: (spec, { ids, pastTokens }) => {
    const positions = ids.map((_, index) => pastTokens + index);
    return integerTensor(spec, positions, [1, ids.length]);
  },
  use_cache_branch: (_, { pastTokens }) => ({
    kind: 'host',
    type: 'bool',
    dims: [1],
    elements: Uint8Array.of(pastTokens > 0 ? 1 : 0),
  }),
};

export class DecoderGraph {
  private readonly pairs: readonly KvPair[];
  private readonly otherInputs: readonly TensorSpec[];
  private readonly logits: TensorSpec;

  /** Throws FAILED_PRECONDITION where the graph is not a decoder. */
  constructor(private readonly options: DecoderGraphOptions) {
    const { runner, settings } = options;
    this.pairs = findKvPairs(runner, settings);
    const isPast = new Set(this.pairs.map((pair) => pair.input));
    this.otherInputs = runner.inputs.filter((spec) => !isPast.has(spec.name));
    for (const spec of this.otherInputs) {
      if (FEEDS[spec.name] !== undefined && isFeedType(spec)) continue;
      throw refuse(`the graph's input ${quoteShort(spec.name)} is none that a decoder takes`);
    }
    const logits = runner.outputs.find((spec) => spec.name === 'logits');
    if (logits === undefined) throw refuse('the graph has no output "logits"');
    this.logits = logits;
  }

  /** Words that the model knows, where the graph says it. */
  get vocabularySize(): number | undefined {
    const size = this.logits.dims.at(-1);
    return typeof size === 'number' ? size : undefined;
  }

  /** Whether a prompt may be fed in parts. */
  get takesParts(): boolean {
    return this.options.isShared;
  }

  open(capacityTokens: number): DecoderSequence {
    const { runner, isShared } = this.options;
    const isOnHost = runner.provider === 'cpu';
    const cache = new KvCache({ pairs: this.pairs, isShared, isOnHost, capacityTokens });
    return new DecoderSequence({
      runner,
      cache,
      inputs: this.otherInputs,
      recomputes: this.pairs.length === 0,
    });
  }
}

interface SequenceParts {
  readonly runner: ModelRunner;
  readonly cache: KvCache;
  readonly inputs: readonly TensorSpec[];
  /** The graph keeps nothing: every step reads all tokens again. */
  readonly recomputes: boolean;
}

export class DecoderSequence {
  private fed: readonly number[] = [];

  constructor(private readonly parts: SequenceParts) {}

  /** Feeds the next tokens; answers the logits after the last of them, which the caller owns. */
  async feed(ids: readonly number[]): Promise<Float32Array> {
    const { runner, cache, recomputes } = this.parts;
    const all = [...this.fed, ...ids];
    const step: Step = recomputes
      ? { ids: all, pastTokens: 0 }
      : { ids, pastTokens: this.fed.length };
    const results = await runner.run({
      inputs: new Map([
        ...this.parts.inputs.map((spec) => [spec.name, feed(spec, step)] as const),
        ...cache.inputs(),
      ]),
      outputs: new Map([['logits', 'new' as const], ...cache.outputs()]),
    });
    cache.accept(results);
    this.fed = all;
    return lastRow(results.get('logits') as HostTensor);
  }

  close(): void {
    this.parts.cache.close();
  }
}

function feed(spec: TensorSpec, step: Step): HostTensor {
  const create = FEEDS[spec.name];
  if (create === undefined) throw refuse(`the graph's input ${quoteShort(spec.name)} is unknown`);
  return create(spec, step);
}

function isFeedType(spec: TensorSpec): boolean {
  if (spec.name === 'use_cache_branch') return spec.type === 'bool';
  return spec.type === 'int64' || spec.type === 'int32';
}

function lastRow(tensor: HostTensor): Float32Array {
  const width = tensor.dims.at(-1) ?? 0;
  const { elements } = tensor;
  if (!('subarray' in elements)) throw refuse('the logits are not numbers');
  // A copy: the sampler changes it, and a view would keep the logits of the whole prompt.
  const row = elements.subarray(elements.length - width);
  return toFloat32(row).slice();
}

function refuse(message: string): LlmosError {
  return new LlmosError('FAILED_PRECONDITION', message);
}
