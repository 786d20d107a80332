/**
 * Feeds a decoder graph: token ids in, logits out. It makes the masks and positions that the graph
 * asks for; keys and values are its caller's. What it answers is valid until its next run.
 */
import { LlmosError, quoteShort } from '@llmos/base';
import { WANTED_POSITIONS } from '../../models/graph-facts';
import type { GenerationSettings } from '../../models/model-settings';
import type { HostTensor, ModelRunner, RunnerTensor, TensorSpec } from '../../ports/model-runner';
import { FloatBuffer, IntegerBuffer } from './decoder-buffers';
import type { KvPair } from './kv-cache';
import { findKvPairs } from './kv-cache';
import { ENGINE_LIMITS } from '../limits';

export interface DecoderStep {
  /** Row after row, the same number for each. */
  readonly ids: readonly number[];
  /** By row: tokens whose keys and values stand in `pasts` already. */
  readonly pastTokens: readonly number[];
  readonly pasts: ReadonlyMap<string, RunnerTensor>;
  readonly presents: ReadonlyMap<string, HostTensor | 'new'>;
  /** Logits of how many last tokens of each row, at least one. */
  readonly wanted: number;
}

export interface DecoderResult {
  /** `rows` × `wanted` × vocabulary, flat. */
  readonly logits: Float32Array;
  /** The presents among them. */
  readonly tensors: ReadonlyMap<string, RunnerTensor>;
}

const LOGITS = 'logits';

/** What fills each input other than keys and values. */
const FILLS: Readonly<Record<string, (step: DecoderStep, buffer: IntegerBuffer) => HostTensor>> = {
  input_ids: ({ ids, pastTokens }, buffer) => {
    const length = ids.length / pastTokens.length;
    return buffer.fillFrom(ids, [pastTokens.length, length]);
  },
  attention_mask: ({ ids, pastTokens }, buffer) => {
    const length = ids.length / pastTokens.length;
    const total = Math.max(...pastTokens) + length;
    const tensor = buffer.take([pastTokens.length, total]);
    pastTokens.forEach((past, row) => {
      buffer.fill(1, row * total, row * total + past + length);
      buffer.fill(0, row * total + past + length, (row + 1) * total);
    });
    return tensor;
  },
  position_ids: ({ ids, pastTokens }, buffer) => {
    const length = ids.length / pastTokens.length;
    const tensor = buffer.take([pastTokens.length, length]);
    pastTokens.forEach((past, row) => {
      for (let at = 0; at < length; at += 1) buffer.set(row * length + at, past + at);
    });
    return tensor;
  },
  [WANTED_POSITIONS]: ({ ids, pastTokens, wanted }, buffer) => {
    const length = ids.length / pastTokens.length;
    const tensor = buffer.take([wanted]);
    for (let at = 0; at < wanted; at += 1) buffer.set(at, length - wanted + at);
    return tensor;
  },
};

const CACHE_BRANCH = 'use_cache_branch';

export class DecoderGraph {
  /** The graph's pasts and presents; none where it keeps nothing. */
  readonly pairs: readonly KvPair[];
  /** Rows that one run takes, where the graph fixes their number. */
  readonly staticRows: number | undefined;
  private readonly inputs: readonly { readonly spec: TensorSpec; readonly buffer: IntegerBuffer }[];
  private readonly logits: TensorSpec;
  private readonly target = new FloatBuffer();
  private readonly converted = new FloatBuffer();

  /** Throws FAILED_PRECONDITION where the graph is not a decoder. */
  constructor(
    readonly runner: ModelRunner,
    settings: GenerationSettings,
  ) {
    this.pairs = findKvPairs(runner, settings);
    const isPast = new Set(this.pairs.map((pair) => pair.input));
    const others = runner.inputs.filter((spec) => !isPast.has(spec.name));
    for (const spec of others) {
      const isKnown = FILLS[spec.name] !== undefined || spec.name === CACHE_BRANCH;
      if (isKnown && isFeedType(spec)) continue;
      throw refuse(`the graph's input ${quoteShort(spec.name)} is none that a decoder takes`);
    }
    this.inputs = others.map((spec) => ({ spec, buffer: new IntegerBuffer(spec.type) }));
    const logits = runner.outputs.find((spec) => spec.name === LOGITS);
    if (logits === undefined) throw refuse('the graph has no output "logits"');
    this.logits = logits;
    const rows = runner.inputs.find((spec) => spec.name === 'input_ids')?.dims[0];
    this.staticRows = typeof rows === 'number' ? rows : undefined;
  }

  /** Words that the model knows, where the graph says it. */
  get vocabularySize(): number | undefined {
    const size = this.logits.dims.at(-1);
    return typeof size === 'number' ? size : undefined;
  }

  async run(step: DecoderStep): Promise<DecoderResult> {
    const inputs = new Map(step.pasts);
    for (const { spec, buffer } of this.inputs) inputs.set(spec.name, fill(spec, step, buffer));
    const outputs = new Map(step.presents);
    outputs.set(LOGITS, this.logitsTarget(step));
    const tensors = await this.runner.run({ inputs, outputs });
    return { logits: this.lastLogits(tensors.get(LOGITS), step), tensors };
  }

  private get givesWantedOnly(): boolean {
    return this.inputs.some(({ spec }) => spec.name === WANTED_POSITIONS);
  }

  /** Where the logits go: one buffer for all steps, unless it would be very large. */
  private logitsTarget(step: DecoderStep): HostTensor | 'new' {
    const vocabulary = this.vocabularySize;
    const isFillable = this.runner.provider === 'cpu' && this.logits.type === 'float32';
    if (!isFillable || vocabulary === undefined) return 'new';
    const rows = step.pastTokens.length;
    const length = this.givesWantedOnly ? step.wanted : step.ids.length / rows;
    const count = rows * length * vocabulary;
    if (count > ENGINE_LIMITS.maxKeptLogits) return 'new';
    return this.target.take([rows, length, vocabulary]);
  }

  private lastLogits(tensor: RunnerTensor | undefined, step: DecoderStep): Float32Array {
    if (tensor?.kind !== 'host') throw refuse('the logits are not in host memory');
    const rows = step.pastTokens.length;
    const width = tensor.dims.at(-1) ?? 0;
    const { elements } = tensor;
    const length = elements.length / rows / width;
    if (!(elements instanceof Float32Array) && !(elements instanceof Uint16Array)) {
      throw refuse('the logits are not floating-point numbers');
    }
    if (length < step.wanted) throw refuse(`the graph gave logits of ${length} tokens`);
    // More than one token with a past is fed to one row only, so the last ones are at the end.
    const last =
      length === step.wanted ? elements : elements.subarray((length - step.wanted) * width);
    if (rows > 1 && length !== step.wanted) throw refuse('several rows take one token each');
    return last instanceof Float32Array ? last : this.converted.fromFloat16(last);
  }
}

function fill(spec: TensorSpec, step: DecoderStep, buffer: IntegerBuffer): HostTensor {
  const create = FILLS[spec.name];
  if (create !== undefined) return create(step, buffer);
  const isPastGiven = (step.pastTokens[0] ?? 0) > 0;
  return { kind: 'host', type: 'bool', dims: [1], elements: Uint8Array.of(isPastGiven ? 1 : 0) };
}

function isFeedType(spec: TensorSpec): boolean {
  if (spec.name === CACHE_BRANCH) return spec.type === 'bool';
  return spec.type === 'int64' || spec.type === 'int32';
}

function refuse(message: string): LlmosError {
  return new LlmosError('FAILED_PRECONDITION', message);
}
