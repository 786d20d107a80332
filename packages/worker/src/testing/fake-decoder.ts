/**
 * For tests: a decoder whose logits are a hash of every token that it was fed. Its "keys" are the
 * tokens themselves, so a cache that loses or repeats one gives other tokens.
 */
import { mix32 } from '@llmos/base';
import type { HostTensor, ModelRunner, RunRequest, RunnerTensor } from '../ports/model-runner';
import type { TextTokenizer } from '../ports/text-tokenizer';

export interface FakeDecoderOptions {
  readonly vocabulary: number;
  /** Past and present are one buffer of the full length. */
  readonly isShared?: boolean;
  readonly fails?: (run: number) => boolean;
}

export interface FakeDecoder extends ModelRunner {
  /** Tokens of each run. */
  readonly runs: number[][];
}

export function fakeDecoder(options: FakeDecoderOptions): FakeDecoder {
  const runs: number[][] = [];
  const past = ['batch', 1, 'past', 1] as const;
  return {
    provider: 'cpu',
    runs,
    inputs: [
      { name: 'input_ids', type: 'int64', dims: ['batch', 'sequence'] },
      { name: 'attention_mask', type: 'int64', dims: ['batch', 'total'] },
      { name: 'past_key_values.0.key', type: 'float32', dims: past },
    ],
    outputs: [
      { name: 'logits', type: 'float32', dims: ['batch', 'sequence', options.vocabulary] },
      { name: 'present.0.key', type: 'float32', dims: ['batch', 1, 'total', 1] },
    ],
    run: async (request) => {
      const ids = Array.from(
        (hostInput(request, 'input_ids').elements as BigInt64Array) ?? [],
        Number,
      );
      runs.push(ids);
      if (options.fails?.(runs.length) === true) throw new Error('the fake failed');
      return step(options, request, ids);
    },
    close: async () => undefined,
  };
}

function hostInput(request: RunRequest, name: string): HostTensor {
  return request.inputs.get(name) as HostTensor;
}

function step(
  options: FakeDecoderOptions,
  request: RunRequest,
  ids: readonly number[],
): ReadonlyMap<string, RunnerTensor> {
  const total = hostInput(request, 'attention_mask').dims[1] ?? 0;
  const past = hostInput(request, 'past_key_values.0.key').elements as Float32Array;
  const all = [...past.slice(0, total - ids.length), ...ids];
  if (all.length !== total) throw new Error(`past of ${all.length - ids.length}, mask of ${total}`);
  const logits = new Float32Array(ids.length * options.vocabulary);
  for (let at = 0; at < ids.length; at += 1) {
    const hash = all.slice(0, total - ids.length + at + 1).reduce((h, id) => mix32(h ^ id), 1);
    for (let id = 0; id < options.vocabulary; id += 1) {
      logits[at * options.vocabulary + id] = (mix32(hash + id) / 2 ** 32) * 6;
    }
  }
  const target = request.outputs.get('present.0.key');
  const present: HostTensor =
    options.isShared === true && target !== undefined && target !== 'new'
      ? target
      : {
          kind: 'host',
          type: 'float32',
          dims: [1, 1, total, 1],
          elements: new Float32Array(total),
        };
  (present.elements as Float32Array).set(all);
  const dims = [1, ids.length, options.vocabulary];
  return new Map([
    ['logits', { kind: 'host', type: 'float32', dims, elements: logits }],
    ['present.0.key', present],
  ]);
}

/** One token per character; the code point is the id. */
export const characterTokenizer: TextTokenizer = {
  prefixIds: [],
  suffixIds: [],
  addsBos: false,
  encode: (text) => Array.from(text, (character) => character.codePointAt(0) ?? 0),
  words: () => [],
  decode: (ids) => String.fromCodePoint(...ids),
  idOf: () => undefined,
};
