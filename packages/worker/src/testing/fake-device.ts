/**
 * For tests: a device in memory, with a decoder of the GroupQueryAttention kind on it and its
 * `RowCopier`. The "keys" of a row are its tokens, the logits a hash of those that count, so a row
 * that loses, repeats or mixes up a token gives other ones. It counts the tensors that live.
 */
import { LlmosError, mix32 } from '@llmos/base';
import type { HostTensor, ModelRunner, RunRequest, RunnerTensor } from '../ports/model-runner';
import type { RowCopier, RowLayout } from '../ports/row-copier';

export interface FakeDevice {
  readonly runner: ModelRunner;
  readonly copier: RowCopier;
  /** Tensors that nobody disposed of. */
  readonly liveTensors: number;
  /** The next run or copy fails. */
  failNext(): void;
}

/** `[rows, 1, tokens, 1]`, flat. */
interface Kv {
  readonly rows: number;
  readonly tokens: number;
  readonly elements: Float32Array;
}

class FakeTensor {
  readonly kind = 'device';
  readonly type = 'float32';
  isDisposed = false;

  constructor(
    readonly kv: Kv,
    private readonly live: Set<FakeTensor>,
  ) {
    live.add(this);
  }

  get dims(): readonly number[] {
    return [this.kv.rows, 1, this.kv.tokens, 1];
  }

  dispose(): void {
    if (!this.live.delete(this)) throw new Error('a tensor was disposed of twice');
    this.isDisposed = true;
  }
}

export function fakeDevice(vocabulary: number): FakeDevice {
  const live = new Set<FakeTensor>();
  let fails = false;
  const maybeFail = (): void => {
    if (!fails) return;
    fails = false;
    throw new LlmosError('INTERNAL', 'the device failed');
  };
  const create = (kv: Kv): FakeTensor => new FakeTensor(kv, live);
  const past = { type: 'float32', dims: ['rows', 1, 'past', 1] } as const;
  const present = { type: 'float32', dims: ['rows', 1, 'present', 1] } as const;
  return {
    get liveTensors() {
      return live.size;
    },
    failNext: () => {
      fails = true;
    },
    runner: {
      provider: 'webgpu',
      inputs: [
        { name: 'input_ids', type: 'int64', dims: ['rows', 'tokens'] },
        { name: 'attention_mask', type: 'int64', dims: ['rows', 'total'] },
        { name: 'past_key_values.0.key', ...past },
        { name: 'past_key_values.0.value', ...past },
      ],
      outputs: [
        { name: 'logits', type: 'float32', dims: ['rows', 'tokens', vocabulary] },
        { name: 'present.0.key', ...present },
        { name: 'present.0.value', ...present },
      ],
      run: async (request) => {
        maybeFail();
        return decode(request, vocabulary, create);
      },
      close: async () => undefined,
    },
    copier: {
      copy: async (tensors, layout) => {
        maybeFail();
        return tensors.map((tensor) => create(arrange(kvOf(tensor), layout)));
      },
      download: async (tensors, layout) => {
        maybeFail();
        return tensors.map((tensor): HostTensor => {
          const { rows, tokens, elements } = arrange(kvOf(tensor), layout);
          return { kind: 'host', type: 'float32', dims: [rows, 1, tokens, 1], elements };
        });
      },
      place: async (batch, source, row) => {
        maybeFail();
        return batch.map((tensor, index) =>
          create(placed(kvOf(tensor), kvOf(source[index] as RunnerTensor), row)),
        );
      },
      close: async () => undefined,
    },
  };
}

function kvOf(tensor: RunnerTensor): Kv {
  const [rows = 0, , tokens = 0] = tensor.dims;
  if (tensor.kind === 'host') {
    return { rows, tokens, elements: tensor.elements as Float32Array };
  }
  const fake = tensor as FakeTensor;
  if (fake.isDisposed) throw new Error('a tensor was read that is disposed of');
  return fake.kv;
}

function rowIn(kv: Kv, row: number): Float32Array {
  if (row >= kv.rows) throw new Error(`row ${row} of ${kv.rows}`);
  return kv.elements.subarray(row * kv.tokens, (row + 1) * kv.tokens);
}

function arrange(kv: Kv, { rows, keptTokens, lengthTokens }: RowLayout): Kv {
  if (keptTokens < 1 || keptTokens > kv.tokens || keptTokens > lengthTokens) {
    throw new Error(`${keptTokens} of ${kv.tokens} tokens, to ${lengthTokens}`);
  }
  const elements = new Float32Array(rows.length * lengthTokens);
  rows.forEach((row, index) => {
    elements.set(rowIn(kv, row).subarray(0, keptTokens), index * lengthTokens);
  });
  return { rows: rows.length, tokens: lengthTokens, elements };
}

function placed(batch: Kv, source: Kv, row: number): Kv {
  if (source.rows !== 1 || source.tokens !== batch.tokens) throw new Error('another length');
  if (row < 0 || row >= batch.rows) throw new Error(`row ${row} of ${batch.rows}`);
  const elements = batch.elements.slice();
  elements.set(source.elements, row * batch.tokens);
  return { ...batch, elements };
}

function decode(
  request: RunRequest,
  vocabulary: number,
  create: (kv: Kv) => FakeTensor,
): ReadonlyMap<string, RunnerTensor> {
  const { dims, ids, mask } = readInputs(request);
  const [rows, length, total] = dims;
  const results = new Map<string, RunnerTensor>();
  const logits = new Float32Array(rows * length * vocabulary);
  for (const name of ['key', 'value']) {
    const past = kvOf(request.inputs.get(`past_key_values.0.${name}`) as RunnerTensor);
    if (past.rows !== rows || total > past.tokens) throw new Error('the past does not fit');
    const elements = past.elements.slice();
    for (let row = 0; row < rows; row += 1) {
      const count = mask
        .subarray(row * total, (row + 1) * total)
        .reduce((sum, one) => sum + one, 0);
      const own = elements.subarray(row * past.tokens, (row + 1) * past.tokens);
      own.set(ids.subarray(row * length, (row + 1) * length), count - length);
      if (name === 'value') continue;
      const rowLogits = logits.subarray(row * length * vocabulary, (row + 1) * length * vocabulary);
      hashPrefixes(own.subarray(0, count), vocabulary, rowLogits);
    }
    results.set(`present.0.${name}`, create({ rows, tokens: past.tokens, elements }));
  }
  const logitDims = [rows, length, vocabulary];
  return results.set('logits', {
    ...{ kind: 'host', type: 'float32', dims: logitDims, elements: logits },
  });
}

/** Logits after each of the last tokens, as many as there is room for. */
function hashPrefixes(tokens: Float32Array, vocabulary: number, logits: Float32Array): void {
  const first = tokens.length - logits.length / vocabulary;
  let hash = 1;
  tokens.forEach((token, index) => {
    hash = mix32(hash ^ token);
    if (index < first) return;
    for (let id = 0; id < vocabulary; id += 1) {
      logits[(index - first) * vocabulary + id] = mix32(hash + id) / 2 ** 32;
    }
  });
}

function readInputs(request: RunRequest) {
  const numbers = (name: string) => {
    const { dims, elements } = request.inputs.get(name) as HostTensor;
    return { dims, values: Float64Array.from(elements as BigInt64Array, Number) };
  };
  const ids = numbers('input_ids');
  const mask = numbers('attention_mask');
  const [rows = 0, length = 0] = ids.dims;
  return {
    dims: [rows, length, mask.dims[1] ?? 0] as const,
    ids: ids.values,
    mask: mask.values,
  };
}
