/** Subjects, headers, results, chunks and addresses: what every program reads. */
import type { BodyFormat } from '@llmos/base';
import {
  HEADERS,
  WIRE_LIMITS,
  decodeJson,
  encodeChunk,
  encodeJson,
  errorBody,
  failure,
  formatModelRef,
  isAnswerable,
  parseChunk,
  parseModelRef,
  parseNodeProcess,
  parseResult,
  parseServerUrls,
  parseSystemCall,
  parseTaskSubject,
  parseTenantFunction,
  parseTenantTask,
  readServers,
  readTaskTerms,
  taskHeadersOf,
  subjects,
  success,
} from '@llmos/base';
import { parseDelivery, readResultEnd } from '@llmos/wire';
import { functions } from '@llmos/proto';
import { readTensor, tensor } from '@llmos/sdk';
import {
  packEmbedInput,
  parseGenerateOutput,
  unpackEmbedInput,
  unpackResult,
} from '@llmos/sdk/testing';
import type { FuzzParser } from '../fuzz';
import { promise, promiseSame } from '../fuzz';
import type { FuzzSource } from '../fuzz-source';

const SUBJECTS = [
  'llmos.v1.task.standard.default.embed',
  'llmos.v1.submit.acme.classify',
  'llmos.v1.call.acme.generate',
  'llmos.v1.dead.acme.echo',
  'llmos.v1.result.default.s12',
  'llmos.v1.stream.default.story-1',
  'llmos.v1.cancel.default.task_9',
  'llmos.v1.sys.operator.model-add',
  'llmos.v1.report.node-1.p7',
  'llmos.v1.mailbox.node-1.p7',
];

/** A subject that was understood is written again exactly as it came. */
function readSubject(text: string): string | undefined {
  const task = parseTaskSubject(text);
  if (task !== undefined) return subjects.task(task);
  for (const kind of ['submit', 'call', 'dead'] as const) {
    const of = parseTenantFunction(kind, text);
    if (of !== undefined) return subjects[kind](of);
  }
  for (const kind of ['result', 'stream', 'cancel'] as const) {
    const of = parseTenantTask(kind, text);
    if (of !== undefined) return subjects[kind](of);
  }
  for (const kind of ['mailbox', 'report'] as const) {
    const of = parseNodeProcess(kind, text);
    if (of !== undefined) return subjects[kind](of);
  }
  const call = parseSystemCall(text);
  return call === undefined ? undefined : subjects.sys(call);
}

const HEADER_SAMPLES: Readonly<Record<string, readonly string[]>> = {
  [HEADERS.id]: ['order-17', 's12'],
  [HEADERS.model]: ['mini-encoder', 'story@2', 'a.b.c@v1'],
  [HEADERS.priority]: ['0', '5', '9'],
  [HEADERS.timeoutMs]: ['1', '60000', '43200000'],
  [HEADERS.deadline]: ['1800000000000', '2026-01-02T03:04:05.678Z', '2026-01-02T03:04:05+02:00'],
  [HEADERS.key]: ['customer-4'],
  [HEADERS.maxAttempts]: ['1', '100'],
  [HEADERS.stream]: ['true', 'false'],
  [HEADERS.parent]: ['order-1'],
  [HEADERS.root]: ['order-0'],
  [HEADERS.class]: ['interactive', 'batch'],
  [HEADERS.traceparent]: ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
  [HEADERS.contentType]: ['application/json', 'application/x-protobuf', 'text/json; charset=x'],
};
const HEADER_NAMES = Object.keys(HEADER_SAMPLES);

export function hostileHeaders(source: FuzzSource): ReadonlyMap<string, string> {
  const count = source.random.below(4);
  const names = Array.from({ length: count }, () => source.pick(HEADER_NAMES));
  return new Map(names.map((name) => [name, source.text(HEADER_SAMPLES[name] ?? [''])]));
}

function feedHeaders(source: FuzzSource): void {
  const given = hostileHeaders(source);
  const outcome = readTaskTerms((name) => given.get(name));
  if (outcome.kind === 'invalid') {
    promise(outcome.error.code === 'INVALID_ARGUMENT', `code ${outcome.error.code}`);
    promise(outcome.error.message.length < 700, 'a message as long as the value');
    return;
  }
  const { priority, maxAttempts, timeoutMs = 1, deadlineWallMs = 0 } = outcome.terms;
  promise(Number.isInteger(priority) && priority >= 0 && priority <= 9, `priority ${priority}`);
  promise(maxAttempts >= 1 && maxAttempts <= WIRE_LIMITS.maxAttempts, `attempts ${maxAttempts}`);
  promise(timeoutMs >= 1 && timeoutMs <= WIRE_LIMITS.maxTimeoutMs, `timeout ${timeoutMs}`);
  promise(Number.isFinite(deadlineWallMs), `deadline ${deadlineWallMs}`);
  promiseSame(outcome.terms, (terms) => {
    const written = taskHeadersOf(terms);
    const again = readTaskTerms((name) => written.get(name));
    if (again.kind === 'invalid') throw new Error(again.error.message);
    return again.terms;
  });
}

const LOGPROB = { token: 1, text: 'a', logprob: -0.25 };
const SAMPLE = {
  text: 'a',
  tokens: [1],
  finishReason: 'stop',
  logprobs: [{ ...LOGPROB, top: [LOGPROB] }],
} as const;

const RESULTS: readonly unknown[] = [
  success({ labels: [{ label: 'a', score: 1 }] }),
  success(null),
  failure(errorBody('RESOURCE_EXHAUSTED', 'full', { details: { retryAfterMs: 1000 } })),
  success({ text: 'a', tokens: [1, 2], promptTokens: 3, finishReason: 'stop' }),
  success({ ...SAMPLE, promptTokens: 3, samples: [SAMPLE, SAMPLE] }),
];

function feedResult(source: FuzzSource): void {
  const bytes = source.json(RESULTS);
  const result = parseResult(bytes);
  promise(typeof result.ok === 'boolean', 'a result that is neither');
  if (result.ok) parseGenerateOutput(result.output);
  else promise(typeof result.error.message === 'string', 'an error without a message');
  // What was read travels on.
  encodeJson(result);
  readResultEnd(bytes, source.pick<BodyFormat>(['json', 'protobuf']));
}

const PACKED_ERROR = {
  ...{ code: 'ABORTED', retryable: true, message: 'again' },
  details: { n: 1, list: [null, true, { a: 'b' }] },
};
type PackedResult = NonNullable<functions.TaskResult['result']>;
const PACKED: readonly PackedResult[] = [
  { $case: 'embed', value: { embeddings: [{ values: [0.5, -1] }, { values: [] }] } },
  { $case: 'error', value: PACKED_ERROR },
  { $case: 'echo', value: { value: 'a' } },
];
const PACKED_USAGE = { inputTokens: 7, cachedTokens: 0, outputTokens: 0 };
const PACKED_RESULTS = PACKED.map((result) =>
  functions.TaskResult.encode({ usage: PACKED_USAGE, result }).finish(),
);
const PACKED_INPUTS = [
  functions.EmbedInput.encode({
    model: 'mini-encoder',
    texts: ['a', 'b'],
    truncate: true,
  }).finish(),
  functions.EmbedInput.encode({ text: 'hello', texts: [] }).finish(),
];

function feedPackedResult(source: FuzzSource): void {
  const result = unpackResult(source.bytes(PACKED_RESULTS));
  promise(typeof result.ok === 'boolean', 'a result that is neither');
  if (!result.ok) promise(typeof result.error.message === 'string', 'an error without a message');
  encodeJson(result);
}

/** What was read is written again, unless it is empty or damaged text. */
function feedPackedInput(source: FuzzSource): void {
  const input = unpackEmbedInput(source.bytes(PACKED_INPUTS));
  if (input === undefined || Object.keys(input).length === 0) return;
  const packed = packEmbedInput(input);
  promise(packed !== undefined, 'an input that was read and can not be written');
  const again = packed === undefined ? undefined : unpackEmbedInput(packed);
  promise(JSON.stringify(again) === JSON.stringify(input), 'an input that changes when written');
}

const CHUNK_SAMPLES = [
  encodeChunk({ index: 12, text: ' upon a', tokens: [593, 257] }),
  encodeChunk({ index: 0, text: '', tokens: [], finishReason: 'length' }),
  encodeChunk({ index: 0, ...SAMPLE }),
];
const CHUNK_VALUES = CHUNK_SAMPLES.map((bytes) => decodeJson(bytes));

const ADDRESSES = [
  'nats://127.0.0.1:4222',
  'nats://user:pa%20ss@example.org:4222',
  'tls://token@[::1]:4222',
  'localhost',
  'nats://a:1,nats://b:2',
];

const TENSORS: readonly unknown[] = [
  tensor('float32', [1, 3], [0.1, 0.2, 0.3]),
  tensor('int64', [2], [1n, 2n]),
  tensor('string', [1], ['a']),
  { type: 'float16', dims: [2], data: [1, 2] },
];

export const WIRE_PARSERS: readonly FuzzParser[] = [
  {
    name: 'subjects',
    feed: (source) => {
      const text = source.text(SUBJECTS);
      const again = readSubject(text);
      promise(again === undefined || again === text, `read as ${again}`);
    },
  },
  {
    name: 'reply-subjects',
    feed: (source) => {
      const text = source.text(['_INBOX.abc.1', '_R_.x', 'llmos.v1.task.standard.a.echo']);
      promise(!isAnswerable(text) || !/[\s*>]/.test(text), 'a reply with wildcards or spaces');
    },
  },
  { name: 'headers', feed: feedHeaders },
  {
    name: 'model-names',
    feed: (source) => {
      const text = source.text(['mini-encoder', 'a.b@1', 'storyteller@v1']);
      const ref = parseModelRef(text);
      promise(ref === undefined || formatModelRef(ref) === text, 'read as another model');
    },
  },
  { name: 'results', feed: feedResult },
  {
    name: 'stored-protobuf-results',
    feed: (source) =>
      void readResultEnd(source.bytes([Uint8Array.of(0x0a, 4, 0x0a, 2, 65, 66)]), 'protobuf'),
  },
  { name: 'packed-results', feed: feedPackedResult },
  { name: 'packed-inputs', feed: feedPackedInput },
  { name: 'chunks', feed: (source) => void parseChunk(source.json(CHUNK_VALUES)) },
  {
    name: 'server-urls',
    feed: (source) => {
      const text = source.text(ADDRESSES);
      if (source.random.chance(0.5)) parseServerUrls([text]);
      else readServers('LLMOS_SERVERS', text);
    },
  },
  {
    name: 'deliveries',
    feed: (source) =>
      void parseDelivery(source.text(['$JS.ACK.LLMOS_TASKS.intake-1.1.12.13.1700000000000.0'])),
  },
  {
    name: 'client-tensors',
    feed: (source) => void readTensor(source.value(TENSORS) as Parameters<typeof readTensor>[0]),
  },
];
