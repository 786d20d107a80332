/**
 * A Llama-style decoder of random weights, about 100 M parameters, as a model package: big enough
 * that reading the weights is what a token costs, and made here, so that nothing is downloaded.
 *
 * Names and operators are those of the storyteller that ships (GroupQueryAttention, rotary
 * embedding within it), but for a head of its own. The tokenizer is the storyteller's too, with
 * made words for the rest of the vocabulary.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mix32 } from '@llmos/base';
import type { OnnxModel } from '@llmos/onnx';
import {
  bytesOf,
  makeGraph,
  makeModel,
  makeNode,
  makeTensor,
  makeTensorHead,
  makeValueInfo,
  quantizeModel,
  readModel,
  WeightFile,
  writeModel,
} from '@llmos/onnx';
import { repositoryFolder } from '../support/shared-folder';

/** 24 layers: 85 M parameters in them, 19 M in embedding and head. */
const SHAPE = {
  layers: 24,
  hidden: 576,
  heads: 9,
  kvHeads: 3,
  headSize: 64,
  inner: 1536,
  vocabulary: 16_384,
  maxTokens: 1024,
} as const;
const EPSILON = 1e-5;
const SEED = 7;
const STORYTELLER = join(repositoryFolder, 'models', 'storyteller');

export type WeightKind = 'float32' | '8 bits' | '4 bits';

/** The folder of the package in the cache; it is written where it is missing. */
export function decoderFolder(kind: WeightKind, cache: string): string {
  const folder = join(cache, `decoder-100m-${kind.replace(' ', '-')}`);
  const done = join(folder, 'config.json');
  if (existsSync(done)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'onnx'), { recursive: true });
  const graph = join(folder, 'onnx', 'model.onnx');
  const weights = new WeightFile(join(folder, 'weights.tmp'));
  try {
    if (kind === 'float32') writeModel(randomDecoder(weights), graph);
    else {
      const model = readModel(join(decoderFolder('float32', cache), 'onnx', 'model.onnx'));
      quantizeModel(model, weights, { bits: kind === '4 bits' ? 4 : 8 });
      writeModel(model, graph);
    }
  } finally {
    weights.close();
    rmSync(weights.file, { force: true });
  }
  writeTokenizer(folder);
  // Written last: a package with it is whole.
  writeFileSync(done, JSON.stringify(config()));
  return folder;
}

function config(): object {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: SHAPE.hidden,
    intermediate_size: SHAPE.inner,
    num_hidden_layers: SHAPE.layers,
    num_attention_heads: SHAPE.heads,
    num_key_value_heads: SHAPE.kvHeads,
    head_dim: SHAPE.headSize,
    vocab_size: SHAPE.vocabulary,
    max_position_embeddings: SHAPE.maxTokens,
    rms_norm_eps: EPSILON,
    rope_theta: 10_000,
    hidden_act: 'silu',
    tie_word_embeddings: false,
    bos_token_id: 0,
    eos_token_id: 0,
    pad_token_id: 1,
    torch_dtype: 'float32',
  };
}

interface TokenizerFile {
  readonly model: { readonly vocab: Record<string, number> };
}

function writeTokenizer(folder: string): void {
  const read = (name: string): string => readFileSync(join(STORYTELLER, name), 'utf8');
  const tokenizer = JSON.parse(read('tokenizer.json')) as TokenizerFile;
  const { vocab } = tokenizer.model;
  for (let id = Object.keys(vocab).length; id < SHAPE.vocabulary; id += 1) vocab[`Ġw${id}`] = id;
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  copyFileSync(join(STORYTELLER, 'tokenizer_config.json'), join(folder, 'tokenizer_config.json'));
  const settings = { bos_token_id: 0, eos_token_id: 0, pad_token_id: 1 };
  writeFileSync(join(folder, 'generation_config.json'), JSON.stringify(settings));
}

/** The graph, its weights in the file. */
function randomDecoder(file: WeightFile): OnnxModel {
  const { hidden, inner, heads, kvHeads, headSize, layers, vocabulary } = SHAPE;
  const matrices: [name: string, rows: number, columns: number][] = [
    ['embed', vocabulary, hidden],
    ...Array.from({ length: layers }, (_, layer): [string, number, number][] => [
      [`l${layer}.q.w`, hidden, heads * headSize],
      [`l${layer}.k.w`, hidden, kvHeads * headSize],
      [`l${layer}.v.w`, hidden, kvHeads * headSize],
      [`l${layer}.o.w`, heads * headSize, hidden],
      [`l${layer}.gate.w`, hidden, inner],
      [`l${layer}.up.w`, hidden, inner],
      [`l${layer}.down.w`, inner, hidden],
    ]).flat(),
    ['head', hidden, vocabulary],
  ];
  const model = makeModel(decoderGraph(matrices));
  for (const [index, [name, rows, columns]] of matrices.entries()) {
    // Without the root the values would grow from layer to layer.
    const scale = name === 'embed' ? 1 : Math.sqrt(3 / rows);
    const pieces = randomPieces(rows * columns, scale, mix32(SEED + index));
    model.weights.set(name, file.append(rows * columns * 4, pieces));
  }
  return model;
}

const PIECE = 1 << 18;

/** Evenly spread in ±scale. */
function* randomPieces(count: number, scale: number, seed: number): Generator<Uint8Array> {
  let state = seed | 1;
  for (let start = 0; start < count; start += PIECE) {
    const piece = new Float32Array(Math.min(PIECE, count - start));
    for (let at = 0; at < piece.length; at += 1) {
      // xorshift32 (G. Marsaglia, 2003)
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      piece[at] = (state / 2 ** 31) * scale;
    }
    yield bytesOf(piece);
  }
}

function decoderGraph(matrices: readonly (readonly [string, number, number])[]) {
  const { layers, kvHeads, headSize, vocabulary } = SHAPE;
  const each = Array.from({ length: layers }, (_, layer) => layer);
  const states = (kind: string, length: string) =>
    each.flatMap((layer) =>
      ['key', 'value'].map((part) =>
        makeValueInfo(`${kind}.${layer}.${part}`, 'float32', [
          'batch_size',
          kvHeads,
          length,
          headSize,
        ]),
      ),
    );
  return makeGraph({
    nodes: [
      ...lengthNodes(),
      makeNode('Gather', { inputs: ['embed', 'input_ids'], outputs: ['h0'] }),
      ...each.flatMap((layer) => layerNodes(layer)),
      norm(`h${layers}`, 'final_norm'),
      makeNode('MatMul', { inputs: ['final_norm', 'head'], outputs: ['logits'] }),
    ],
    inputs: [
      makeValueInfo('input_ids', 'int64', ['batch_size', 'tokens']),
      makeValueInfo('attention_mask', 'int64', ['batch_size', 'total']),
      ...states('past_key_values', 'past'),
    ],
    outputs: [
      makeValueInfo('logits', 'float32', ['batch_size', 'tokens', vocabulary]),
      ...states('present', 'total'),
    ],
    initializers: [
      ...smallTensors(),
      ...matrices.map(([name, rows, columns]) => makeTensorHead(name, 'float32', [rows, columns])),
    ],
  });
}

/** What GroupQueryAttention wants to know of lengths, from the mask. */
function lengthNodes() {
  const node = (operator: string, inputs: readonly string[], output: string, to?: bigint) =>
    makeNode(operator, { inputs, outputs: [output], attributes: to === undefined ? {} : { to } });
  return [
    makeNode('ReduceSum', {
      inputs: ['attention_mask', 'one'],
      outputs: ['mask_sum'],
      attributes: { keepdims: 0n },
    }),
    node('Sub', ['mask_sum', 'one'], 'len_minus_1'),
    node('Cast', ['len_minus_1'], 'seqlens_k', 6n),
    node('Shape', ['attention_mask'], 'mask_shape'),
    node('Gather', ['mask_shape', 'one'], 'total_i64'),
    node('Cast', ['total_i64'], 'total_len', 6n),
  ];
}

function norm(input: string, output: string) {
  return makeNode('SimplifiedLayerNormalization', {
    inputs: [input, `${output}.w`],
    outputs: [output],
    attributes: { axis: -1n, epsilon: EPSILON, stash_type: 1n },
  });
}

function layerNodes(layer: number) {
  const of = (name: string): string => `l${layer}.${name}`;
  const node = (operator: string, inputs: readonly string[], output: string) =>
    makeNode(operator, { inputs, outputs: [output] });
  const times = (input: string, name: string) =>
    node('MatMul', [of(input), of(`${name}.w`)], of(name));
  return [
    norm(`h${layer}`, of('attn_norm')),
    ...['q', 'k', 'v'].map((name) => times('attn_norm', name)),
    makeNode('GroupQueryAttention', {
      domain: 'com.microsoft',
      inputs: [
        ...[of('q'), of('k'), of('v')],
        ...[`past_key_values.${layer}.key`, `past_key_values.${layer}.value`],
        ...['seqlens_k', 'total_len', 'cos_cache', 'sin_cache'],
      ],
      outputs: [of('attn'), `present.${layer}.key`, `present.${layer}.value`],
      attributes: {
        num_heads: BigInt(SHAPE.heads),
        kv_num_heads: BigInt(SHAPE.kvHeads),
        do_rotary: 1n,
        rotary_interleaved: 0n,
      },
    }),
    times('attn', 'o'),
    node('Add', [`h${layer}`, of('o')], of('h1')),
    norm(of('h1'), of('ffn_norm')),
    times('ffn_norm', 'gate'),
    times('ffn_norm', 'up'),
    node('Sigmoid', [of('gate')], of('sig')),
    node('Mul', [of('gate'), of('sig')], of('silu')),
    node('Mul', [of('silu'), of('up')], of('act')),
    times('act', 'down'),
    node('Add', [of('h1'), of('down')], `h${layer + 1}`),
  ];
}

function smallTensors() {
  const { layers, hidden, headSize, maxTokens } = SHAPE;
  const pairs = headSize / 2;
  const rotation = (name: string, wave: (angle: number) => number) =>
    makeTensor(
      name,
      'float32',
      [maxTokens, pairs],
      Float32Array.from({ length: maxTokens * pairs }, (_, index) =>
        wave(Math.floor(index / pairs) / 10_000 ** ((index % pairs) / pairs)),
      ),
    );
  const ones = (name: string) =>
    makeTensor(name, 'float32', [hidden], new Float32Array(hidden).fill(1));
  const layerNorms = Array.from({ length: layers }, (_, layer) =>
    ['attn_norm', 'ffn_norm'].map((name) => ones(`l${layer}.${name}.w`)),
  );
  return [
    makeTensor('one', 'int64', [1], [1]),
    rotation('cos_cache', Math.cos),
    rotation('sin_cache', Math.sin),
    ...layerNorms.flat(),
    ones('final_norm.w'),
  ];
}
