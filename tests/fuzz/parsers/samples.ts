/** Good inputs, to be damaged. */
import type { TaskId, TenantId } from '@llmos/base';
import { functions } from '@llmos/proto';
import * as node from '@llmos/proto/node';

export const REGISTRATION = {
  name: 'mini-encoder',
  version: '1',
  digest: 'a'.repeat(64),
  files: [
    { path: 'onnx/model.onnx', sha256: 'b'.repeat(64), bytes: 4096 },
    { path: 'tokenizer.json', sha256: 'c'.repeat(64), bytes: 100 },
  ],
  manifest: {
    task: 'infer',
    graph: 'onnx/model.onnx',
    maxTokens: 256,
    pooling: 'mean',
    normalize: true,
    state: [{ input: 'state', output: 'stateN', dims: [2, 1, 128], type: 'float32' }],
    threads: 1,
    sharedPrefixes: true,
    description: 'text',
  },
  footprintBytes: 1_000_000,
};

/** JSON inputs by function. */
export const BODIES: Readonly<Record<string, readonly unknown[]>> = {
  echo: [{ any: ['thing', 1, null] }],
  embed: [{ model: 'mini-encoder', texts: ['a', 'b'], truncate: true }, { text: 'hello' }],
  classify: [{ model: 'intents@1', text: 'I lost my card', topK: 3 }],
  extract: [{ model: 'entities', texts: ['Anna lives in Rome'] }],
  generate: [
    { model: 'storyteller', prompt: 'Once', maxTokens: 4, temperature: 0, seed: 7, stop: ['.'] },
    { messages: [{ role: 'user', content: 'hi' }], topK: 5, topP: 0.9, repetitionPenalty: 1.1 },
    {
      prompt: '',
      minTokens: 2,
      minP: 0.1,
      presencePenalty: 0.5,
      frequencyPenalty: -0.5,
      logitBias: { '0': -100, '42': 1.5 },
      stopTokens: [0, 13],
      topLogprobs: 3,
      n: 2,
    },
  ],
  infer: [
    {
      model: 'vad',
      inputs: {
        x: { type: 'float32', dims: [1, 2], data: [1, 2] },
        y: { type: 'int64', dims: [1], data: 'AQAAAAAAAAA=' },
      },
      key: 'line-4',
      outputs: ['y'],
    },
  ],
};

function protobuf<Message>(
  codec: { encode(of: Message): { finish(): Uint8Array } },
  message: Message,
): Uint8Array {
  return codec.encode(message).finish();
}

const TENSOR: functions.Tensor = {
  type: 'float32',
  dims: [1, 1],
  data: Buffer.from([0, 0, 128, 63]),
  strings: [],
};

/** Protobuf inputs by function. */
export const PROTOBUF_BODIES: Readonly<Record<string, readonly Uint8Array[]>> = {
  echo: [
    protobuf(functions.EchoInput, { value: { a: [1, 'b', { c: null }] } }),
    deepEcho(40),
    deepEcho(12_000),
  ],
  embed: [protobuf(functions.EmbedInput, functions.EmbedInput.create({ model: 'm', text: 'a' }))],
  classify: [
    protobuf(
      functions.ClassifyInput,
      functions.ClassifyInput.create({ texts: ['a', 'b'], topK: 2 }),
    ),
  ],
  extract: [protobuf(functions.ExtractInput, functions.ExtractInput.create({ text: 'a' }))],
  generate: [
    protobuf(
      functions.GenerateInput,
      functions.GenerateInput.create({ model: 'm', prompt: 'a', stop: ['.'], seed: 3 }),
    ),
    protobuf(
      functions.GenerateInput,
      functions.GenerateInput.create({
        prompt: 'a',
        minP: 0.1,
        presencePenalty: 0.5,
        frequencyPenalty: -0.5,
        logitBias: { 0: -100, 42: 1.5 },
        stopTokens: [0, 13],
        minTokens: 2,
        topLogprobs: 3,
        n: 2,
      }),
    ),
  ],
  infer: [
    protobuf(
      functions.InferInput,
      functions.InferInput.create({ model: 'm', inputs: { x: TENSOR }, key: 'k' }),
    ),
  ],
};

/** EchoInput of lists in lists: a recursive reader meets its limit. */
function deepEcho(depth: number): Uint8Array {
  let value: number[] = [];
  // Value.list_value is field 6, ListValue.values field 1, EchoInput.value field 1.
  for (let level = 0; level < Math.min(depth, 2_000); level += 1) {
    value = field(6, field(1, value));
  }
  return Uint8Array.from(field(1, value));
}

function field(number: number, content: readonly number[]): number[] {
  const length: number[] = [];
  let rest = content.length;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) length.push((rest % 128) | 0x80);
  return [number * 8 + 2, ...length, rest, ...content];
}

export function attemptOf(task: string) {
  return { tenant: 'acme' as TenantId, task: task as TaskId, attempt: 1 };
}

const SPEC = { target: 'm@1', registrationJson: '', device: 'cpu', reservedBytes: 4096 };
const MEMORY = { process: 'p', incarnation: 1, residentBytes: 4096 };
const CONTEXTS: node.ProcessContexts = {
  process: 'p',
  incarnation: 1,
  running: 2,
  waiting: 1,
  saved: 3,
  rowBytes: 4096,
  savedBytes: 8192,
  prefixBytes: 1024,
  maxRows: 16,
};
const STATES: readonly node.ProcessChange['state'][] = [
  { $case: 'starting', value: { osPid: 3, progress: 'loading' } },
  { $case: 'ready', value: { osPid: 3, permits: 4, footprintBytes: 10, device: 'cpu' } },
  { $case: 'exited', value: { reason: 'crashed', message: 'm', retryable: true } },
];

export const NODE_MESSAGES: readonly Uint8Array[] = [
  node.NodeMessage.encode({
    message: {
      $case: 'register',
      value: {
        node: 'node-1',
        session: 'a',
        cores: 2,
        memoryBytes: 1e9,
        devices: [{ id: 'cuda:0', provider: 'cuda', name: 'gpu', capacityBytes: 1e9 }],
        providers: ['cpu'],
        versions: { node: '20' },
        labels: { zone: 'a' },
        processes: STATES.map((state) => ({ process: 'p', incarnation: 1, spec: SPEC, state })),
      },
    },
  }).finish(),
  node.NodeMessage.encode({
    message: {
      $case: 'heartbeat',
      value: { freeMemoryBytes: 4096, contexts: [CONTEXTS], memory: [MEMORY] },
    },
  }).finish(),
  ...STATES.map((state) =>
    node.NodeMessage.encode({
      message: {
        $case: 'processChange',
        value: { process: 'p', incarnation: 1, spec: SPEC, state },
      },
    }).finish(),
  ),
];
