/**
 * For tests: a decoder whose logits are a hash of every token that a row was fed. Its "keys" are the
 * tokens themselves plus one, so a cache that loses, repeats or mixes some gives other tokens, and
 * one that reads what was never written is found out.
 */
import { mix32 } from '@llmos/base';
import type { HostTensor, ModelRunner, RunRequest, RunnerTensor } from '../ports/model-runner';
import type { TextTokenizer } from '../ports/text-tokenizer';

export interface FakeDecoderOptions {
  readonly vocabulary: number;
  /** Past and present are one buffer of the full length, of any number of rows. */
  readonly isShared?: boolean;
  /** How many tokens are fed at once changes the key that each of them leaves. */
  readonly roundsByLength?: boolean;
  /** The key of a token that is fed alone, to one row, is another than in company. */
  readonly roundsLoneRow?: boolean;
  readonly fails?: (run: number) => boolean;
  /** The likeliest token is the one that stands so many places before. */
  readonly period?: number;
}

export interface FakeDecoder extends ModelRunner {
  /** Tokens of each run, row after row. */
  readonly runs: number[][];
  /** Rows of each run. */
  readonly rowCounts: number[];
}

export function fakeDecoder(options: FakeDecoderOptions): FakeDecoder {
  const runs: number[][] = [];
  const rowCounts: number[] = [];
  const past = ['batch', 1, 'past', 1] as const;
  return {
    provider: 'cpu',
    runs,
    rowCounts,
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
      const input = hostInput(request, 'input_ids');
      const ids = Array.from(input.elements as BigInt64Array, Number);
      runs.push(ids);
      rowCounts.push(input.dims[0] ?? 0);
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
  const [rows = 0, length = 0] = hostInput(request, 'input_ids').dims;
  const mask = hostInput(request, 'attention_mask');
  const past = hostInput(request, 'past_key_values.0.key');
  const total = mask.dims[1] ?? 0;
  const target = request.outputs.get('present.0.key');
  const isInPlace = options.isShared === true && target !== undefined && target !== 'new';
  if (rows > 1 && length > 1) throw new Error('several rows take one token each');
  if (rows > 1 && !isInPlace) throw new Error('rows of several lengths need one buffer');
  const room = isInPlace ? (target.dims[2] ?? 0) : total;
  const present: HostTensor = isInPlace
    ? target
    : { kind: 'host', type: 'float32', dims: [1, 1, total, 1], elements: new Float32Array(total) };
  const logits = new Float32Array(ids.length * options.vocabulary);
  for (let row = 0; row < rows; row += 1) {
    const counted = (mask.elements as BigInt64Array).subarray(row * total, (row + 1) * total);
    const held = counted.filter((each) => each === 1n).length - length;
    const width = past.dims[2] ?? 0;
    const keys = (past.elements as Float32Array).slice(row * width, row * width + held);
    if (keys.length !== held) throw new Error(`past of ${keys.length}, mask of ${held}`);
    if (keys.includes(0)) throw new Error('a key is read that was never written');
    const isRoundedAlone = options.roundsLoneRow === true && ids.length === 1;
    const byLength = options.roundsByLength === true ? (length % 1024) / 1024 : 0;
    const rounding = isRoundedAlone ? 0.5 : byLength;
    const own = ids.slice(row * length, (row + 1) * length).map((id) => id + rounding);
    const all = [...Array.from(keys, (key) => key - 1), ...own];
    for (let at = 0; at < length; at += 1) {
      const hash = all.slice(0, held + at + 1).reduce((h, id) => mix32(h ^ (1024 * id)), 1);
      for (let id = 0; id < options.vocabulary; id += 1) {
        const place = (row * length + at) * options.vocabulary + id;
        logits[place] = (mix32(hash + id) / 2 ** 32) * 6;
      }
      const earlier = all[held + at + 1 - (options.period ?? Infinity)];
      if (earlier !== undefined) {
        logits[(row * length + at) * options.vocabulary + Math.floor(earlier)] = 99;
      }
    }
    (present.elements as Float32Array).set(
      all.map((id) => id + 1),
      row * room,
    );
  }
  return new Map([
    ['logits', filled(request, [rows, length, options.vocabulary], logits)],
    ['present.0.key', present],
  ]);
}

/** Logits go where the request says. */
function filled(request: RunRequest, dims: readonly number[], values: Float32Array): HostTensor {
  const target = request.outputs.get('logits');
  if (target === undefined || target === 'new') {
    return { kind: 'host', type: 'float32', dims, elements: values };
  }
  if (target.dims.join() !== dims.join())
    throw new Error(`room for logits of ${target.dims.join()}`);
  (target.elements as Float32Array).set(values);
  return target;
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
