/**
 * The weights of a decoder package as a GGUF file, version 3, for llama.cpp: float32, Q8_0 or Q4_0.
 * Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md. Takes the names that the storyteller's
 * graph has; head is `embed` transposed where the graph has none of its own.
 */
import { closeSync, existsSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { toFloat16Bits } from '@llmos/base';
import type { OnnxModel } from '@llmos/onnx';
import { dimsOf, initializerOf, readModel, readRange } from '@llmos/onnx';
import type { WeightKind } from './generate-decoder';

interface Config {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim: number;
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
}

interface Tensor {
  readonly name: string;
  /** GGUF counts the innermost first. */
  readonly dims: readonly number[];
  readonly kind: WeightKind;
  readonly elements: () => Float32Array;
}

const ALIGNMENT = 32;
const TENSOR_TYPES = { float32: 0, '8 bits': 8, '4 bits': 2 } as const;
const FILE_TYPES = { float32: 0, '8 bits': 7, '4 bits': 2 } as const;
/** Elements that share a scale, and the bytes that they take. */
const BLOCK = 32;
const BLOCK_BYTES = { float32: 4 * BLOCK, '8 bits': 2 + BLOCK, '4 bits': 2 + BLOCK / 2 } as const;

/** Writes the file where it is missing. @param folder a package in float32. */
export function writeGguf(folder: string, file: string, kind: WeightKind): void {
  if (existsSync(file)) return;
  const json = (name: string): object =>
    JSON.parse(readFileSync(join(folder, name), 'utf8')) as object;
  const config = json('config.json') as Config;
  const model = readModel(join(folder, 'onnx', 'model.onnx'));
  const tensors = tensorsOf(model, config, kind);
  const partial = `${file}.partial`;
  const target = openSync(partial, 'w');
  try {
    writeSync(target, headOf(config, json('tokenizer.json') as Tokenizer, tensors, kind));
    for (const tensor of tensors) writeSync(target, padded(encode(tensor)));
  } finally {
    closeSync(target);
  }
  renameSync(partial, file);
}

function tensorsOf(model: OnnxModel, config: Config, kind: WeightKind): Tensor[] {
  const load = (name: string): Float32Array => {
    const tensor = initializerOf(model, name);
    const range = model.weights.get(name);
    const bytes = range === undefined ? tensor?.rawData : readRange(range);
    if (bytes === undefined) throw new Error(`the graph has no weights ${name}`);
    return new Float32Array(Uint8Array.from(bytes).buffer);
  };
  const sizes = (name: string): readonly number[] => {
    const tensor = initializerOf(model, name);
    return tensor === undefined ? [] : dimsOf(tensor);
  };
  const plain = (name: string, from: string): Tensor => ({
    ...{ name, kind: 'float32', elements: () => load(from) },
    dims: sizes(from).toReversed(),
  });
  const matrix = (name: string, from: string, heads?: number): Tensor => {
    const [rows = 0, columns = 0] = sizes(from);
    const order = heads === undefined ? (at: number) => at : rotated(columns / heads);
    const elements = (): Float32Array => transposed(load(from), rows, columns, order);
    return { name, kind, dims: [rows, columns], elements };
  };
  const hasHead = sizes('head').length > 0;
  return [
    plain('token_embd.weight', 'embed'),
    plain('output_norm.weight', 'final_norm.w'),
    ...(hasHead ? [matrix('output.weight', 'head')] : []),
    ...Array.from({ length: config.num_hidden_layers }, (_, layer): Tensor[] => [
      plain(`blk.${layer}.attn_norm.weight`, `l${layer}.attn_norm.w`),
      plain(`blk.${layer}.ffn_norm.weight`, `l${layer}.ffn_norm.w`),
      matrix(`blk.${layer}.attn_q.weight`, `l${layer}.q.w`, config.num_attention_heads),
      matrix(`blk.${layer}.attn_k.weight`, `l${layer}.k.w`, config.num_key_value_heads),
      matrix(`blk.${layer}.attn_v.weight`, `l${layer}.v.w`),
      matrix(`blk.${layer}.attn_output.weight`, `l${layer}.o.w`),
      matrix(`blk.${layer}.ffn_gate.weight`, `l${layer}.gate.w`),
      matrix(`blk.${layer}.ffn_up.weight`, `l${layer}.up.w`),
      matrix(`blk.${layer}.ffn_down.weight`, `l${layer}.down.w`),
    ]).flat(),
  ];
}

/** llama.cpp rotates neighbours, the graph the two halves of a head: where each column comes from. */
function rotated(headSize: number): (at: number) => number {
  return (at) => {
    const within = at % headSize;
    return at - within + Math.floor(within / 2) + (within % 2) * (headSize / 2);
  };
}

function transposed(
  source: Float32Array,
  rows: number,
  columns: number,
  order: (column: number) => number,
): Float32Array {
  const target = new Float32Array(source.length);
  for (let column = 0; column < columns; column += 1) {
    const from = order(column);
    for (let row = 0; row < rows; row += 1) {
      target[column * rows + row] = source[row * columns + from] ?? 0;
    }
  }
  return target;
}

function encode(tensor: Tensor): Buffer {
  const values = tensor.elements();
  if (tensor.kind === 'float32') return Buffer.from(values.buffer);
  const bytes = Buffer.alloc((values.length / BLOCK) * BLOCK_BYTES[tensor.kind]);
  const encodeBlock = tensor.kind === '8 bits' ? encodeQ8 : encodeQ4;
  for (let start = 0, at = 0; start < values.length; start += BLOCK) {
    at = encodeBlock(values.subarray(start, start + BLOCK), bytes, at);
  }
  return bytes;
}

/** Q8_0: a scale in half precision, then 32 signed bytes. */
function encodeQ8(block: Float32Array, bytes: Buffer, at: number): number {
  const scale = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
  const next = bytes.writeUInt16LE(toFloat16Bits(scale), at);
  block.forEach((value, index) => {
    bytes.writeInt8(scale === 0 ? 0 : Math.round(value / scale), next + index);
  });
  return next + BLOCK;
}

/** Q4_0: a scale, then 16 bytes: element i in the low half of byte i, element i + 16 in the high. */
function encodeQ4(block: Float32Array, bytes: Buffer, at: number): number {
  const far = block.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
  const scale = far / -8;
  const next = bytes.writeUInt16LE(toFloat16Bits(scale), at);
  const nibble = (index: number): number =>
    scale === 0 ? 8 : Math.min(15, Math.trunc((block[index] ?? 0) / scale + 8.5));
  for (let index = 0; index < BLOCK / 2; index += 1) {
    bytes[next + index] = nibble(index) | (nibble(index + BLOCK / 2) << 4);
  }
  return next + BLOCK / 2;
}

function byteLengthOf({ dims, kind }: Tensor): number {
  return (dims.reduce((product, size) => product * size, 1) / BLOCK) * BLOCK_BYTES[kind];
}

function alignedTo(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes], alignedTo(bytes.length));
}

interface Tokenizer {
  readonly model: {
    readonly vocab: Readonly<Record<string, number>>;
    readonly merges: readonly (string | readonly string[])[];
  };
  readonly added_tokens: readonly { readonly id: number }[];
}

function headOf(
  config: Config,
  tokenizer: Tokenizer,
  tensors: readonly Tensor[],
  kind: WeightKind,
): Buffer {
  const settings = [...modelSettings(config, kind), ...tokenizerSettings(tokenizer)];
  let offset = 0;
  const infos = tensors.map((tensor) => {
    const info = Buffer.concat([
      text(tensor.name),
      uint32(tensor.dims.length),
      ...tensor.dims.map(uint64),
      uint32(TENSOR_TYPES[tensor.kind]),
      uint64(offset),
    ]);
    offset += alignedTo(byteLengthOf(tensor));
    return info;
  });
  const start = [Buffer.from('GGUF'), uint32(3), uint64(tensors.length), uint64(settings.length)];
  return padded(Buffer.concat([...start, ...settings, ...infos]));
}

function modelSettings(config: Config, kind: WeightKind): Buffer[] {
  const number = (name: string, value: number): Buffer => setting(name, 4, uint32(value));
  return [
    setting('general.architecture', 8, text('llama')),
    number('general.file_type', FILE_TYPES[kind]),
    number('llama.context_length', config.max_position_embeddings),
    number('llama.embedding_length', config.hidden_size),
    number('llama.block_count', config.num_hidden_layers),
    number('llama.feed_forward_length', config.intermediate_size),
    number('llama.attention.head_count', config.num_attention_heads),
    number('llama.attention.head_count_kv', config.num_key_value_heads),
    number('llama.rope.dimension_count', config.head_dim),
    number('llama.vocab_size', config.vocab_size),
    setting('llama.rope.freq_base', 6, float32(config.rope_theta)),
    setting('llama.attention.layer_norm_rms_epsilon', 6, float32(config.rms_norm_eps)),
  ];
}

function tokenizerSettings(tokenizer: Tokenizer): Buffer[] {
  const { vocab, merges } = tokenizer.model;
  const special = new Set(tokenizer.added_tokens.map(({ id }) => id));
  const tokens = Object.entries(vocab).toSorted(([, a], [, b]) => a - b);
  const pairs = merges.map((merge) => text(typeof merge === 'string' ? merge : merge.join(' ')));
  const list = (name: string, type: number, items: readonly Buffer[]): Buffer =>
    setting(name, 9, Buffer.concat([uint32(type), uint64(items.length), ...items]));
  return [
    setting('tokenizer.ggml.model', 8, text('gpt2')),
    setting('tokenizer.ggml.pre', 8, text('gpt-2')),
    list(
      'tokenizer.ggml.tokens',
      8,
      tokens.map(([token]) => text(token)),
    ),
    list(
      'tokenizer.ggml.token_type',
      5,
      tokens.map(([, id]) => uint32(special.has(id) ? 3 : 1)),
    ),
    list('tokenizer.ggml.merges', 8, pairs),
    setting('tokenizer.ggml.bos_token_id', 4, uint32(0)),
    setting('tokenizer.ggml.eos_token_id', 4, uint32(0)),
  ];
}

function setting(name: string, type: number, value: Buffer): Buffer {
  return Buffer.concat([text(name), uint32(type), value]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function float32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}
