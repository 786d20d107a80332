/** Bodies that can't be what they should be: each ends in an error that says why, alone. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROTOBUF_CONTENT_TYPE } from '@llmos/base';
import { functions } from '@llmos/proto';
import { tinyGraph } from '@llmos/worker/testing';
import type { BadRequest, Requester } from '../support/bad-input';
import { openRequester } from '../support/bad-input';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';

let system: TestSystem;
let requester: Requester;
let folder: string;

beforeAll(async () => {
  system = await startTestSystem({ models: ['mini-encoder', 'support-intents', 'storyteller'] });
  folder = mkdtempSync(join(tmpdir(), 'llmos-tiny-'));
  mkdirSync(join(folder, 'onnx'));
  writeFileSync(join(folder, 'onnx/model.onnx'), tinyGraph());
  await system.addModel('doubler', folder);
  requester = await openRequester(system);
});
afterAll(async () => {
  await requester?.close();
  await system?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

const INVALID = 'INVALID_ARGUMENT';
const embed = (body: object): object => ({ model: 'mini-encoder', ...body });
const generate = (body: object): object => ({ model: 'storyteller', prompt: 'Once', ...body });
const infer = (inputs: object): object => ({ model: 'doubler', inputs });
const x = (tensor: object): object =>
  infer({ x: { type: 'float32', dims: [1], data: [1], ...tensor } });
const deep = (depth: number): Buffer => Buffer.from('['.repeat(depth) + ']'.repeat(depth));

type Row = readonly [name: string, of: string, body: unknown, message: RegExp];

const MALFORMED: readonly Row[] = [
  ['no body', 'embed', Buffer.alloc(0), /body is empty; it must be JSON/],
  ['cut JSON', 'embed', Buffer.from('{"model":"mini-enc'), /not JSON: "\{\\"model\\":\\"mini-enc"/],
  ['cut JSON of echo', 'echo', Buffer.from('[1,'), /not JSON: "\[1,"/],
  ['NaN, which JSON has not', 'echo', Buffer.from('NaN'), /not JSON: "NaN"/],
  ['bytes that are no UTF-8', 'echo', Buffer.from([0x22, 0xff, 0xfe, 0x22]), /not JSON/],
  ['a text that is no UTF-8', 'embed', latin1({ text: 'café' }), /not JSON/],
  ['a list where an object belongs', 'embed', [1], /must be an object, not \[1\]/],
  ['brackets in brackets', 'embed', deep(30_000), /must be an object, not a list too deep/],
  [
    'a deep model',
    'embed',
    Buffer.from(`{"model":${deep(20_000).toString()}}`),
    /field model is a list/,
  ],
];

const FIELDS: readonly Row[] = [
  ['no text', 'embed', embed({}), /exactly one of text, texts; it has model/],
  ['text and texts', 'embed', embed({ text: 'a', texts: ['a'] }), /exactly one of text, texts/],
  ['an empty text', 'embed', embed({ text: '' }), /text must NOT have fewer than 1 char.*not ""/],
  ['an empty list', 'embed', embed({ texts: [] }), /texts must NOT have fewer than 1 items/],
  ['a text among numbers', 'embed', embed({ texts: ['a', 7] }), /texts\/1 must be string, not 7/],
  ['too many texts', 'embed', embed({ texts: Array(1_025).fill('a') }), /more than 1024 items/],
  ['an unknown field', 'embed', embed({ text: 'a', txet: 1 }), /unknown field "txet"/],
  ['a field of its prototype', 'echo2', {}, /no function "echo2"/],
  [
    'a number as text',
    'classify',
    { model: 'support-intents', text: 5 },
    /text must be string, not 5/,
  ],
  ['topK of nothing', 'classify', { model: 'support-intents', text: 'a', topK: 0 }, />= 1, not 0/],
  ['no prompt', 'generate', { model: 'storyteller' }, /exactly one of prompt, messages/],
  ['half a token', 'generate', generate({ maxTokens: 1.5 }), /maxTokens must be integer, not 1.5/],
  [
    'cold below zero',
    'generate',
    generate({ temperature: -1 }),
    /temperature must be >= 0, not -1/,
  ],
  ['minP of two', 'generate', generate({ minP: 2 }), /minP must be <= 1, not 2/],
  ['a half sample', 'generate', generate({ n: 1.5 }), /n must be integer, not 1.5/],
  ['no sample', 'generate', generate({ n: 0 }), /n must be >= 1, not 0/],
  ['too many samples', 'generate', generate({ n: 33 }), /n must be <= 32, not 33/],
  [
    'too many alternatives',
    'generate',
    generate({ topLogprobs: 21 }),
    /topLogprobs must be <= 20, not 21/,
  ],
  [
    'no repetition at all',
    'generate',
    generate({ repetitionPenalty: 0 }),
    /repetitionPenalty must be > 0, not 0/,
  ],
  [
    'too much presence',
    'generate',
    generate({ presencePenalty: 3 }),
    /presencePenalty must be <= 2, not 3/,
  ],
  [
    'a frequency as text',
    'generate',
    generate({ frequencyPenalty: '1' }),
    /frequencyPenalty must be number, not "1"/,
  ],
  [
    'a bias of a word',
    'generate',
    generate({ logitBias: { cat: 1 } }),
    /logitBias unknown field "cat"/,
  ],
  [
    'a bias without measure',
    'generate',
    generate({ logitBias: { '5': 101 } }),
    /logitBias\/5 must be <= 100, not 101/,
  ],
  [
    'a bias of a token that there is not',
    'generate',
    generate({ logitBias: { '4000000': 1 } }),
    /token 4000000 is outside the model's vocabulary/,
  ],
  [
    'a stop token that there is not',
    'generate',
    generate({ stopTokens: [4_000_000] }),
    /token 4000000 is outside the model's vocabulary/,
  ],
  [
    'a stop token below zero',
    'generate',
    generate({ stopTokens: [-1] }),
    /stopTokens\/0 must be >= 0, not -1/,
  ],
  [
    'fewer tokens at most than at least',
    'generate',
    generate({ minTokens: 5, maxTokens: 4 }),
    /minTokens is 5, more than maxTokens, which is 4/,
  ],
  ['topP of two', 'generate', generate({ topP: 2 }), /topP must be <= 1, not 2/],
  ['a seed as text', 'generate', generate({ seed: '7' }), /seed must be integer, not "7"/],
  ['an empty stop', 'generate', generate({ stop: [''] }), /stop must be a valid string or array/],
  [
    'messages without a template',
    'generate',
    { model: 'storyteller', messages: [{ role: 'user', content: 'x' }] },
    /no chat template/,
  ],
  ['no inputs', 'infer', { model: 'doubler' }, /needs the field "inputs"/],
  ['a key of two words', 'infer', { ...x({}), key: 'a b' }, /field key is "a b"/],
];

const TENSORS: readonly Row[] = [
  [
    'an unknown name',
    'infer',
    infer({ y: { type: 'float32', dims: [1], data: [1] } }),
    /unknown input "y"; the model takes x \(float32 \[1\]\)/,
  ],
  ['a missing input', 'infer', infer({}), /input "x" is missing; the model takes x/],
  ['another type', 'infer', x({ type: 'int64' }), /"x" is int64; the model takes float32/],
  ['a type nobody has', 'infer', x({ type: 'float8' }), /type must be one of float32.*"float8"/],
  ['another rank', 'infer', x({ dims: [1, 1] }), /dims \[1, 1\]; the model takes \[1\]/],
  ['another size', 'infer', x({ dims: [2], data: [1, 2] }), /dims \[2\]; the model takes \[1\]/],
  ['fewer values than dims', 'infer', x({ dims: [3] }), /3 elements, but data has 1/],
  [
    'dims beyond memory',
    'infer',
    x({ dims: [1e9, 1e9] }),
    /dims \[1000000000, 1000000000\]: more than/,
  ],
  ['dims below zero', 'infer', x({ dims: [-1] }), /dims\/0 must be >= 0, not -1/],
  [
    'a text as number',
    'infer',
    x({ data: ['one'] }),
    /data\[0\] is "one", which float32 can't hold/,
  ],
  [
    'infinity',
    'infer',
    Buffer.from(JSON.stringify(x({ data: [7] })).replace('[7]', '[1e999]')),
    /data\[0\] is Infinity, which float32/,
  ],
  ['base64 that is none', 'infer', x({ data: '!!!!' }), /data is not base64: "!!!!"/],
  ['base64 of half a value', 'infer', x({ data: 'AAA=' }), /2 bytes: not a multiple of 4/],
  [
    'an output nobody has',
    'infer',
    { ...x({}), outputs: ['z'] },
    /unknown output "z"; the model gives y/,
  ],
];

describe.each([
  ['malformed', MALFORMED],
  ['fields', FIELDS],
  ['tensors', TENSORS],
])('%s', (_group, rows) => {
  it.each(rows)('%s', async (name, of, body, message) => {
    const code = of === 'echo2' ? 'NOT_FOUND' : codeOf(message);
    await requester.expectRefusal({ name, subject: `call.default.${of}`, body, code, message });
  });
});

function codeOf(message: RegExp): BadRequest['code'] {
  return message.source.includes('chat template') ? 'FAILED_PRECONDITION' : INVALID;
}

function latin1(body: object): Buffer {
  return Buffer.from(JSON.stringify({ model: 'mini-encoder', ...body }), 'latin1');
}

describe('sizes', () => {
  const long = 'word '.repeat(600);
  const sizes: readonly BadRequest[] = [
    {
      name: 'a text beyond the model',
      subject: 'call.default.embed',
      body: embed({ texts: ['short', long] }),
      code: INVALID,
      message: /texts\[1\] has 602 tokens; the model reads at most 256/,
    },
    {
      name: 'a prompt beyond the context',
      subject: 'call.default.generate',
      body: generate({ prompt: 'a b c d '.repeat(200) }),
      code: INVALID,
      message: /prompt has \d+ tokens; the model reads at most 512, of which one must be left/,
    },
    {
      name: 'a megabyte of text, more than a message forwards',
      subject: 'call.default.embed',
      body: embed({ text: 'x'.repeat(1_000_000) }),
      code: INVALID,
      message: /body has 1000034 bytes; at most 983040 bytes can be forwarded/,
    },
    {
      name: 'a large body that names its model inside',
      subject: 'call.default.embed',
      body: embed({ text: 'word '.repeat(20_000) }),
      code: INVALID,
      message: /body of \d+ bytes must name its model in the header Llmos-Model/,
    },
    {
      name: 'a large text whose model is named outside',
      subject: 'call.default.embed',
      body: { text: 'word '.repeat(180_000) },
      headers: { 'Llmos-Model': 'mini-encoder' },
      code: INVALID,
      message: /text has 180002 tokens; the model reads at most 256/,
    },
  ];
  it.each(sizes.map((size) => [size.name, size] as const))('%s', async (_name, size) => {
    await requester.expectRefusal(size);
  });

  it('a large text is embedded where it may be cut', async () => {
    const answer = await requester.ask(
      'call.default.embed',
      { text: 'word '.repeat(180_000), truncate: true },
      { headers: { 'Llmos-Model': 'mini-encoder' } },
    );
    expect(answer.ok).toBe(true);
  });

  it('an object of thousands of fields is refused by its first unknown one', async () => {
    const fields = Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`field${n}`, n]));
    const message = /unknown field "field0"|exactly one of text, texts/;
    await requester.expectRefusal({
      name: '',
      subject: 'call.default.embed',
      body: embed(fields),
      code: INVALID,
      message,
    });
  });
});

describe('protobuf', () => {
  const headers = { 'Content-Type': PROTOBUF_CONTENT_TYPE };
  async function ask(name: string, body: Uint8Array): Promise<functions.TaskResult['result']> {
    return functions.TaskResult.decode(await requester.raw(`call.default.${name}`, body, headers))
      .result;
  }
  const cases: readonly (readonly [string, string, Uint8Array, RegExp])[] = [
    ['bytes that are none', 'embed', Buffer.from([0xff, 0xff]), /not a protobuf input of embed/],
    [
      'a length beyond the end',
      'classify',
      Buffer.from([0x0a, 0x7f, 0x61]),
      /protobuf input of clas/,
    ],
    [
      'a temperature that is no number',
      'generate',
      functions.GenerateInput.encode(
        functions.GenerateInput.create({ model: 'storyteller', prompt: 'a', temperature: NaN }),
      ).finish(),
      /temperature must be <= 100, not NaN/,
    ],
    [
      'a text that is empty',
      'embed',
      functions.EmbedInput.encode(
        functions.EmbedInput.create({ model: 'mini-encoder', text: '' }),
      ).finish(),
      /text/,
    ],
    [
      'a tensor with too few bytes',
      'infer',
      functions.InferInput.encode(
        functions.InferInput.create({
          model: 'doubler',
          inputs: { x: { type: 'float32', dims: [1], data: Buffer.from([1, 2]), strings: [] } },
        }),
      ).finish(),
      /2 bytes: not a multiple of 4/,
    ],
  ];
  it.each(cases)('%s', async (_name, of, body, message) => {
    const result = await ask(of, body);
    expect(result).toMatchObject({ $case: 'error', value: { code: INVALID, retryable: false } });
    expect(result?.$case === 'error' ? result.value.message : '').toMatch(message);
    await requester.expectStillGood();
  });
});

it('after all of it, every model still answers', async () => {
  const { os } = system;
  expect((await os.embed({ model: 'mini-encoder', text: 'hello' })).embeddings).toHaveLength(1);
  expect(
    (await os.generate({ model: 'storyteller', prompt: 'Once', maxTokens: 2 })).tokens,
  ).toHaveLength(2);
  const one = { type: 'float32', dims: [1], data: [1] } as const;
  const { outputs } = await os.infer({ model: 'doubler', inputs: { x: one } });
  expect(outputs['y']?.data).toEqual([2]);
  const rows = await os.ps();
  expect(rows.filter((row) => row.incarnation > 1)).toEqual([]);
});
