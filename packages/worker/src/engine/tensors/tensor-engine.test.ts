import type { InferInput, TensorValue } from '@llmos/base';
import type { HostTensor, ModelRunner } from '../../ports/model-runner';
import type { EngineAnswer } from '../engine';
import { TensorEngine } from './tensor-engine';

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

function open(engine = new TensorEngine(runner, pairs)) {
  return async (input: InferInput, stateKey?: string): Promise<Record<string, number> | string> => {
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
          ...{ tenant: '', class: 'standard', priority: 5, sequence: 1 },
          ...(stateKey === undefined ? {} : { stateKey }),
        },
      ],
      {
        answer: (_, answer) => {
          given = answer;
        },
        chunk: () => undefined,
        isCancelled: () => false,
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
  it('keeps the state of each key, from zero', async () => {
    const infer = open();
    expect(await infer(x(1), 'a')).toEqual({ y: 1 });
    expect(await infer(x(2), 'a')).toEqual({ y: 3 });
    expect(await infer(x(5), 'b')).toEqual({ y: 5 });
    expect(await infer(x(1), 'a')).toEqual({ y: 4 });
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

  it('refuses a state pair that the graph does not have', () => {
    const wrong = [{ input: 'state', output: 'nope', dims: [1], type: 'float32' }];
    expect(() => new TensorEngine(runner, wrong)).toThrow(/no state "state" and "nope"/);
  });
});
