/**
 * For tests: a decoder of one GroupQueryAttention layer with random weights, small enough to run a
 * thousand steps on a GPU that is software.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Random } from '@llmos/base';
import { seededRandom } from '@llmos/base';
import type { TensorProto } from '@llmos/onnx';
import { encodeGraph, makeGraph, makeNode, makeTensor, makeValueInfo } from '@llmos/onnx';

export const TINY_DECODER = { vocabulary: 32, maxTokens: 2048, graph: 'model.onnx' } as const;

const HEADS = 2;
/** The runtime takes multiples of it. */
const HEAD_SIZE = 16;
const HIDDEN = HEADS * HEAD_SIZE;

export interface TinyDecoderFolder {
  readonly folder: string;
  remove(): void;
}

/** A folder with the graph alone. */
export function writeTinyDecoder(seed: number): TinyDecoderFolder {
  const folder = mkdtempSync(join(tmpdir(), 'llmos-tiny-decoder-'));
  writeFileSync(join(folder, TINY_DECODER.graph), tinyDecoderGraph(seed));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

function tinyDecoderGraph(seed: number): Uint8Array {
  const past = ['rows', 1, 'past', HEAD_SIZE];
  const present = ['rows', 1, 'present', HEAD_SIZE];
  const node = (operator: string, inputs: readonly string[], output: string) =>
    makeNode(operator, { inputs, outputs: [output] });
  return encodeGraph(
    makeGraph({
      nodes: [
        node('Gather', ['embedding', 'input_ids'], 'hidden'),
        node('MatMul', ['hidden', 'weights_q'], 'query'),
        node('MatMul', ['hidden', 'weights_k'], 'key'),
        node('MatMul', ['hidden', 'weights_v'], 'value'),
        makeNode('ReduceSum', {
          inputs: ['attention_mask', 'axis_one'],
          outputs: ['lengths'],
          attributes: { keepdims: 0n },
        }),
        node('Sub', ['lengths', 'one'], 'pasts'),
        makeNode('Cast', { inputs: ['pasts'], outputs: ['past_lengths'], attributes: { to: 6n } }),
        node('Shape', ['attention_mask'], 'mask_shape'),
        makeNode('Gather', { inputs: ['mask_shape', 'one'], outputs: ['mask_width'] }),
        makeNode('Cast', { inputs: ['mask_width'], outputs: ['total'], attributes: { to: 6n } }),
        makeNode('GroupQueryAttention', {
          domain: 'com.microsoft',
          inputs: [
            ...['query', 'key', 'value', 'past_key_values.0.key', 'past_key_values.0.value'],
            ...['past_lengths', 'total', 'cosines', 'sines'],
          ],
          outputs: ['attended', 'present.0.key', 'present.0.value'],
          attributes: { num_heads: BigInt(HEADS), kv_num_heads: 1n, do_rotary: 1n },
        }),
        node('Add', ['hidden', 'attended'], 'sum'),
        node('MatMul', ['sum', 'head'], 'logits'),
      ],
      inputs: [
        makeValueInfo('input_ids', 'int64', ['rows', 'tokens']),
        makeValueInfo('attention_mask', 'int64', ['rows', 'total']),
        makeValueInfo('past_key_values.0.key', 'float32', past),
        makeValueInfo('past_key_values.0.value', 'float32', past),
      ],
      outputs: [
        makeValueInfo('logits', 'float32', ['rows', 'tokens', TINY_DECODER.vocabulary]),
        makeValueInfo('present.0.key', 'float32', present),
        makeValueInfo('present.0.value', 'float32', present),
      ],
      initializers: weights(seededRandom(seed)),
    }),
  );
}

function weights(random: Random): TensorProto[] {
  const matrix = (name: string, rows: number, columns: number): TensorProto => {
    const elements = Float32Array.from({ length: rows * columns }, () => random.next() - 0.5);
    return makeTensor(name, 'float32', [rows, columns], elements);
  };
  const rotation = (name: string, wave: (angle: number) => number): TensorProto => {
    const pairs = HEAD_SIZE / 2;
    const elements = Float32Array.from({ length: TINY_DECODER.maxTokens * pairs }, (_, index) =>
      wave(Math.floor(index / pairs) / 10_000 ** ((index % pairs) / pairs)),
    );
    return makeTensor(name, 'float32', [TINY_DECODER.maxTokens, pairs], elements);
  };
  return [
    matrix('embedding', TINY_DECODER.vocabulary, HIDDEN),
    matrix('weights_q', HIDDEN, HIDDEN),
    matrix('weights_k', HIDDEN, HEAD_SIZE),
    matrix('weights_v', HIDDEN, HEAD_SIZE),
    matrix('head', HIDDEN, TINY_DECODER.vocabulary),
    rotation('cosines', Math.cos),
    rotation('sines', Math.sin),
    makeTensor('axis_one', 'int64', [1], [1]),
    makeTensor('one', 'int64', [], [1]),
  ];
}
