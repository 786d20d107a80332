import type { InferInput, TensorValue } from '@llmos/base';
import type { HostTensor, ModelRunner } from '../../ports/model-runner';
import type { AnswerRoom } from '../requests/answer-room';
import type { EngineAnswer } from '../engine';
import { ENGINE_LIMITS } from '../limits';
import { TensorEngine } from './tensor-engine';
import { testCosts } from '../../testing/test-costs';

/** y = x + state, next state = y; fails on negative numbers. */
const runner: ModelRunner = {
  provider: 'cpu',
  inputs: [
    { name: 'x', type: 'float32', dims: ['n'] },
    { name: 'state', type: 'float32', dims: [1] },
  ],
  outputs: [
    { name: 'y', type: 'float32', dims: ['n'] },
    { name: 'stateN', type: 'float32', dims: [1] },
    { name: 'list', type: 'unsupported', dims: [] },
  ],
  run: async ({ inputs, outputs }) => {
    const read = (name: string) => Number((inputs.get(name) as HostTensor).elements[0]);
    if (read('x') < 0) throw new Error('negative');
    const elements = Float32Array.of(read('x') + read('state'));
    const tensor = { kind: 'host' as const, type: 'float32' as const, dims: [1], elements };
    return new Map([...outputs.keys()].map((name) => [name, tensor]));
  },
  close: async () => undefined,
};
const pairs = [{ input: 'state', output: 'stateN', dims: [1], type: 'float32' }];

function x(value: number, more: Partial<TensorValue> = {}): InferInput {
  return { inputs: { x: { type: 'float32', dims: [1], data: [value], ...more } } };
}

/** A column of so many rows in, a tensor of zeros of `dims` out. */
function wideRunner(outputDims: readonly (string | number)[], dims: readonly number[]) {
  const counted = {
    ...runner,
    runs: 0,
    inputs: [{ name: 'x', type: 'float32', dims: ['rows'] }],
    outputs: [{ name: 'y', type: 'float32', dims: outputDims }],
    run: async () => {
      counted.runs += 1;
      const elements = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
      return new Map([['y', { kind: 'host' as const, type: 'float32' as const, dims, elements }]]);
    },
  } satisfies ModelRunner & { runs: number };
  return counted;
}

function rowsOf(count: number): Partial<TensorValue> {
  return { dims: [count], data: new Array<number>(count).fill(0) };
}

function open(engine = new TensorEngine(runner, pairs, testCosts())) {
  return async (
    input: InferInput,
    key?: string,
    room?: AnswerRoom,
    tenant = '',
  ): Promise<Record<string, number> | string> => {
    let given: EngineAnswer | undefined;
    await engine.run(
      [
        {
          requestId: 1,
          function: 'infer',
          input,
          stream: false,
          resumeTokens: [],
          seedText: '',
          ...{ tenant, class: 'standard', priority: 5, sequence: 1 },
          ...(key === undefined ? {} : { key }),
          ...(room === undefined ? {} : { room }),
        },
      ],
      {
        answer: (_, answer) => {
          given = answer;
        },
        chunk: () => undefined,
        isCancelled: () => false,
        giveWay: async () => undefined,
      },
    );
    if (given?.kind === 'failed') return given.error.message;
    if (given?.output.kind !== 'tensors') return 'no tensors';
    return Object.fromEntries(
      [...given.output.tensors].map(([name, tensor]) => [name, Number(tensor.elements[0])]),
    );
  };
}

describe('infer', () => {
  it('gives way before each request, and does not run one that was cancelled meanwhile', async () => {
    const seen: string[] = [];
    const engine = new TensorEngine(runner, pairs, testCosts());
    const of = (requestId: number) => ({
      ...{ requestId, function: 'infer', input: x(requestId), stream: false, resumeTokens: [] },
      ...{ seedText: '', tenant: '', class: 'batch' as const, priority: 5, sequence: requestId },
    });
    const cancelled = new Set<number>();
    await engine.run([of(1), of(2), of(3)], {
      answer: (requestId, answer) => void seen.push(`${requestId} ${answer.kind}`),
      chunk: () => undefined,
      isCancelled: (requestId) => cancelled.has(requestId),
      giveWay: async () => {
        seen.push('way');
        if (seen.length > 4) cancelled.add(3);
      },
    });
    expect(seen).toEqual(['way', '1 done', 'way', '2 done', 'way', '3 failed']);
  });

  it('keeps the state of each key, from zero', async () => {
    const infer = open();
    expect(await infer(x(1), 'a')).toEqual({ y: 1 });
    expect(await infer(x(2), 'a')).toEqual({ y: 3 });
    expect(await infer(x(5), 'b')).toEqual({ y: 5 });
    expect(await infer(x(1), 'a')).toEqual({ y: 4 });
  });

  it('keeps a state for the tenant whose key it is, and takes the key of the input first', async () => {
    const infer = open();
    expect(await infer(x(1), 'a', undefined, 'acme')).toEqual({ y: 1 });
    expect(await infer(x(2), 'a', undefined, 'globex')).toEqual({ y: 2 });
    expect(await infer({ ...x(3), key: 'a' }, 'b', undefined, 'acme')).toEqual({ y: 4 });
  });

  it('keeps nothing without a key, and answers the state then', async () => {
    const infer = open();
    expect(await infer(x(1))).toEqual({ y: 1, stateN: 1 });
    expect(await infer(x(1))).toEqual({ y: 1, stateN: 1 });
  });

  it('takes a state that the caller gives', async () => {
    const infer = open();
    await infer(x(1), 'a');
    const state: TensorValue = { type: 'float32', dims: [1], data: [100] };
    const input = { inputs: { ...x(1).inputs, state } };
    expect(await infer(input, 'a')).toEqual({ y: 101 });
    expect(await infer(x(1), 'a')).toEqual({ y: 102 });
  });

  it('leaves the state as it was where the run fails', async () => {
    const infer = open();
    await infer(x(1), 'a');
    expect(await infer(x(-1), 'a')).toMatch(/negative/);
    expect(await infer(x(1), 'a')).toEqual({ y: 2 });
  });

  it('gives the outputs asked for', async () => {
    expect(await open()({ ...x(1), outputs: ['stateN'] }, 'a')).toEqual({ stateN: 1 });
  });

  it.each<[string, InferInput, RegExp]>([
    ['an unknown input', { inputs: { ...x(1).inputs, z: x(1).inputs['x']! } }, /unknown input "z"/],
    [
      'a missing input',
      { inputs: {} },
      /input "x" is missing; the model takes x \(float32 \[n\]\)/,
    ],
    ['a wrong type', x(1, { type: 'int32' }), /input "x" is int32; the model takes float32/],
    ['a wrong rank', x(1, { dims: [1, 1] }), /dims \[1, 1\]; the model takes \[n\]/],
    ['an unknown output', { ...x(1), outputs: ['nope'] }, /unknown output "nope"; the model gives/],
    ['an output without a wire form', { ...x(1), outputs: ['list'] }, /"list" is not a tensor/],
  ])('refuses %s, naming it', async (_, input, message) => {
    expect(await open()(input)).toMatch(message);
  });

  it('refuses, before it runs, what can not fit an answer, and names the sizes', async () => {
    const wide = wideRunner(['rows', 'rows'], [10_000, 10_000]);
    const room = { format: 'json', maxBytes: 1_000_000 } as const;
    const refusal = await open(new TensorEngine(wide, [], testCosts()))(
      x(1, rowsOf(10_000)),
      undefined,
      room,
    );
    expect(refusal).toMatch(
      /at least 199999999 bytes \(y is float32 \[10000, 10000\]\), the limit is 1000000.*fewer rows/,
    );
    expect(wide.runs).toBe(0);
    const fitting = wideRunner(['rows', 'rows'], [100, 100]);
    const infer = open(new TensorEngine(fitting, [], testCosts()));
    expect(await infer(x(1, rowsOf(100)), undefined, room)).toEqual({ y: 0 });
  });

  it('refuses, before it is written, an answer whose size only the run told', async () => {
    const wide = wideRunner(['', ''], [2000, 2000]);
    const room = { format: 'protobuf', maxBytes: 15_999_999 } as const;
    const infer = open(new TensorEngine(wide, [], testCosts()));
    expect(await infer(x(1), undefined, room)).toMatch(/at least 16000000 bytes/);
    expect(wide.runs).toBe(1);
    expect(await infer(x(1), undefined, { ...room, maxBytes: 16_000_100 })).toEqual({ y: 0 });
  });

  it('refuses a state beyond what is kept, and keeps the one before', async () => {
    const large = ENGINE_LIMITS.maxStateBytes / 4 + 1;
    let isLarge = false;
    const growing: ModelRunner = {
      ...runner,
      run: async (request) => {
        const results = new Map(await runner.run(request));
        if (!isLarge) return results;
        const elements = new Float32Array(large);
        return results.set('stateN', { kind: 'host', type: 'float32', dims: [large], elements });
      },
    };
    const infer = open(new TensorEngine(growing, pairs, testCosts()));
    await infer(x(1), 'a');
    isLarge = true;
    expect(await infer(x(1), 'a')).toMatch(/state of key "a" would have \d+ bytes/);
    isLarge = false;
    expect(await infer(x(1), 'a')).toEqual({ y: 2 });
    const huge = [{ ...pairs[0]!, dims: [large] }];
    expect(() => new TensorEngine(runner, huge, testCosts())).toThrow(/state of a key would have/);
  });

  it('refuses a state pair that the graph does not have', () => {
    const wrong = [{ input: 'state', output: 'nope', dims: [1], type: 'float32' }];
    expect(() => new TensorEngine(runner, wrong, testCosts())).toThrow(
      /no state "state" and "nope"/,
    );
  });
});
