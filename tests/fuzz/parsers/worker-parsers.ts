/** What workers read: mailboxes, orders, bodies, tensors, and the files of model packages. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InferOutput, MailboxMessage, TensorValue } from '@llmos/base';
import { BUILT_IN_FUNCTIONS, compileSchemaCheck, encodeJson, isRecord } from '@llmos/base';
import * as node from '@llmos/proto/node';
import { decodeMailboxMessage, encodeMailboxMessage, readKernelMessage } from '@llmos/wire';
import type { ModelDocuments } from '@llmos/worker/testing';
import { absorbWeights, encodeModel, readModel, selectWantedPositions } from '@llmos/onnx';
import {
  RequestReader,
  assertInputs,
  assertPackageFiles,
  checkPackagePath,
  decodeJsonBody,
  decodeProtobufBody,
  echoProtobuf,
  externalPaths,
  encodeTensorsJson,
  inferManifest,
  openChatTemplate,
  openTokenizer,
  parseManifestFields,
  parseRegistration,
  parseTensor,
  readGenerationSettings,
  readLabelSettings,
  readLeader,
  scanGraph,
  tinyGraph,
} from '@llmos/worker/testing';
import { repositoryFolder } from '../../support/shared-folder';
import type { FuzzParser } from '../fuzz';
import { isDecodeError, promise, promiseSame } from '../fuzz';
import type { FuzzSource } from '../fuzz-source';
import { BODIES, PROTOBUF_BODIES, REGISTRATION, attemptOf } from './samples';

const NOW = { nowMs: 0, wallMs: 1_800_000_000_000 };
const EXECUTE = {
  ...attemptOf('order-17'),
  function: 'embed',
  class: 'batch',
  priority: 5,
  sequence: 12,
  deadlineAtMs: 60_000,
  stream: true,
  format: 'json',
  root: 'order-1',
  key: 'k',
  model: 'm@1',
  body: encodeJson(BODIES['embed']?.[0]),
} as Extract<MailboxMessage['command'], { kind: 'execute' }>['spec'];

const COMMANDS: readonly MailboxMessage['command'][] = [
  { kind: 'execute', spec: EXECUTE },
  { kind: 'cancel', attempt: attemptOf('a'), reason: 'CANCELLED' },
  { kind: 'preempt', attempt: attemptOf('a') },
  { kind: 'confirm', attempts: [attemptOf('a'), attemptOf('b')] },
  { kind: 'hello' },
];
const MAILBOX = COMMANDS.map((command) =>
  encodeMailboxMessage({ epoch: 7, incarnation: 2, command }, NOW),
);

const ORDERS: readonly Uint8Array[] = (
  [
    { $case: 'welcome', value: { heartbeatMs: 1000, leaseMs: 5000 } },
    { $case: 'notLeader', value: { leaderUrl: '127.0.0.1:9000' } },
    { $case: 'stop', value: { process: 'p', incarnation: 1, graceMs: 100 } },
    {
      $case: 'start',
      value: {
        process: 'p',
        incarnation: 1,
        spec: {
          target: 'm@1',
          registrationJson: JSON.stringify(REGISTRATION),
          device: 'cuda:0',
          reservedBytes: 4096,
        },
      },
    },
  ] as const
).map((message) => node.KernelMessage.encode({ epoch: 7, message }).finish());

const NAMES = BUILT_IN_FUNCTIONS.map((definition) => definition.name);
const READER = new RequestReader((request) =>
  request.format === 'json'
    ? decodeJsonBody(request.body)
    : decodeProtobufBody(request.function, request.body),
);
const SPECS = [
  { name: 'x', type: 'float32', dims: ['batch', 2] },
  { name: 'y', type: 'int64', dims: [1] },
] as const;

/** As an actor thread reads a body: decoded, checked, and its tensors built. */
function feedBody(source: FuzzSource, format: 'json' | 'protobuf'): void {
  const name = source.pick(NAMES);
  const body =
    format === 'json' ? source.json(BODIES[name] ?? []) : source.bytes(PROTOBUF_BODIES[name] ?? []);
  const request = {
    ...{ requestId: 1, function: name, format, body, stream: false, seedText: 'a/b' },
    ...{ class: 'standard' as const, priority: 5, sequence: 1 },
  };
  const { input } = READER.read(request);
  if (name !== 'infer' || !isRecord(input)) return;
  const inputs = Object.entries(input['inputs'] as Record<string, TensorValue>).map(
    ([key, value]) => [key, parseTensor(`input ${key}`, value)] as const,
  );
  assertInputs({ specs: SPECS, inputs: new Map(inputs) });
}

const TENSORS: readonly unknown[] = [
  { type: 'float32', dims: [1, 2], data: [1.5, -2] },
  { type: 'float16', dims: [2], data: 'ADwAQA==' },
  { type: 'int64', dims: [2], data: [1, '9223372036854775807'] },
  { type: 'uint8', dims: [3], data: [0, 1, 255] },
  { type: 'bool', dims: [2, 1], data: [true, 0] },
  { type: 'string', dims: [1], data: ['a'] },
];
const checkTensor = compileSchemaCheck(
  BUILT_IN_FUNCTIONS.find((definition) => definition.name === 'infer')?.input ?? {},
  'input of infer',
);

function feedTensor(source: FuzzSource): void {
  const value = source.value(TENSORS);
  if (checkTensor({ inputs: { x: value } }) !== undefined) return;
  const tensor = parseTensor('input x', value as TensorValue);
  const count = tensor.dims.reduce((product, dim) => product * dim, 1);
  promise(tensor.elements.length === count, 'a tensor with another number of values');
  const written = encodeTensorsJson(new Map([['y', tensor]]), {
    format: 'json',
    maxBytes: 2 ** 26,
  });
  const { output } = JSON.parse(Buffer.from(written).toString()) as { output: InferOutput };
  parseTensor('again', output.outputs['y'] as TensorValue);
}

const DOCUMENTS: readonly ModelDocuments[] = ['storyteller', 'support-intents'].map((name) => {
  const read = (file: string): Record<string, unknown> =>
    JSON.parse(readFileSync(join(repositoryFolder, 'models', name, file), 'utf8')) as never;
  return {
    config: { ...read('config.json'), architectures: ['BertForSequenceClassification'] },
    tokenizer: smaller(read('tokenizer.json')),
    tokenizerConfig: { ...read('tokenizer_config.json'), chat_template: '{{ messages }}' },
    generationConfig: { do_sample: true, temperature: 1, top_k: 2, eos_token_id: [1, 2] },
    genaiConfig: { model: { context_length: 512, decoder: { head_size: 8 } } },
    pooling: { pooling_mode_mean_tokens: true },
    sentenceConfig: { max_seq_length: 128 },
    sentenceModules: ['sentence_transformers.models.Normalize'],
  };
});

/** Few words: damage shall meet the structure, not the vocabulary. */
function smaller(tokenizer: Record<string, unknown>): Record<string, unknown> {
  const model = tokenizer['model'] as Record<string, unknown>;
  const vocabulary = Object.entries(model['vocab'] as Record<string, number>).slice(0, 40);
  const merges = (model['merges'] as unknown[] | undefined)?.slice(0, 10);
  const less = { ...model, vocab: Object.fromEntries(vocabulary) };
  return { ...tokenizer, model: merges === undefined ? less : { ...less, merges } };
}

const GRAPH_FACTS = {
  inputs: [{ name: 'input_ids', type: 'int64', dims: ['batch', 'sequence'] }],
  outputs: [{ name: 'logits', type: 'float32', dims: ['batch', 4] }],
  operators: new Set(['MatMul']),
  externalFiles: [],
  weightBits: 32,
} as const;

/** Readers take what they understand of these files; a shape of the outside is an object. */
function feedDocuments(source: FuzzSource): void {
  const documents = source.value(DOCUMENTS) as ModelDocuments;
  const parts: readonly unknown[] = isRecord(documents)
    ? [documents.config, documents.tokenizerConfig, documents.generationConfig]
    : [undefined];
  if (!parts.every(isRecord)) return;
  if (![documents.genaiConfig, documents.pooling, documents.sentenceConfig].every(isRecord)) return;
  if (!Array.isArray(documents.sentenceModules ?? [])) return;
  if (!(documents.sentenceModules ?? []).every((type) => typeof type === 'string')) return;
  readLabelSettings(documents);
  readGenerationSettings(documents, 3);
  inferManifest({ fields: {}, graphPath: 'model.onnx', graph: GRAPH_FACTS, documents });
}

function feedTokenizer(source: FuzzSource): void {
  const sample = source.pick(DOCUMENTS);
  const tokenizer = source.value([sample.tokenizer]);
  if (!isRecord(tokenizer)) return;
  openTokenizer({ ...sample, tokenizer });
}

const TEMPLATES = [
  "{% for message in messages %}{{ message['role'] + ': ' + message['content'] }}{% endfor %}",
  '{{ bos_token }}{% if messages|length > 1 %}{{ raise_exception("no") }}{% endif %}',
];

function feedTemplate(source: FuzzSource): void {
  const chatTemplate = source.text(TEMPLATES);
  const [sample] = DOCUMENTS;
  if (sample === undefined) return;
  openChatTemplate({ ...sample, chatTemplate })?.render([{ role: 'user', content: 'hi' }]);
}

const scratch = mkdtempSync(join(tmpdir(), 'llmos-fuzz-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
/** Small ones: a whole model, cut to the size of an input, would be refused at its first length. */
const GRAPHS = [tinyGraph(), new Uint8Array(Buffer.concat([tinyGraph(), tinyGraph()]))];

function feedGraph(source: FuzzSource): void {
  const path = join(scratch, 'model.onnx');
  writeFileSync(path, source.bytes(GRAPHS));
  externalPaths('onnx/model.onnx', scanGraph(path, 'model.onnx').externalFiles);
}

/** What is done to a graph when it is loaded, on bytes that the scan may refuse. */
function feedGraphEdit(source: FuzzSource): void {
  const path = join(scratch, 'edited.onnx');
  writeFileSync(path, source.bytes(GRAPHS));
  const model = readModel(path);
  selectWantedPositions(model, 'logits_positions');
  encodeModel(absorbWeights(model, path), scratch);
}

const PATHS = ['onnx/model.onnx', 'tokenizer.json', './weights.bin', 'a/b/../c'];

function feedPath(source: FuzzSource): void {
  const path = source.text(PATHS);
  const isInside = checkPackagePath(path) === undefined;
  const climbs = path.split(/[/\\]/).includes('..') || path.startsWith('/');
  promise(!isInside || !climbs, 'a path out of the package');
  if (source.random.chance(0.5)) {
    assertPackageFiles([...REGISTRATION.files, { path, sha256: 'd'.repeat(64), bytes: 1 }]);
  }
  const [external] = externalPaths('onnx/model.onnx', [path]);
  promise(external?.startsWith('onnx/') === true, `weights at ${external}`);
}

export const WORKER_PARSERS: readonly FuzzParser[] = [
  {
    name: 'mailbox',
    feed: (source) =>
      promiseSame(
        decodeMailboxMessage(source.bytes(MAILBOX), NOW),
        (of) => of && decodeMailboxMessage(encodeMailboxMessage(of, NOW), NOW),
      ),
  },
  {
    name: 'orders',
    feed: (source) =>
      void readKernelMessage(node.KernelMessage.decode(source.bytes(ORDERS)), parseRegistration),
    isRefusal: isDecodeError,
  },
  {
    name: 'leader-address',
    feed: (source) => {
      const value = source.json([
        { kernelId: 'k1', epoch: 7, grpcUrl: 'kernel.local:9000', isReleased: false },
      ]);
      readLeader({ value, revision: 9 });
    },
  },
  { name: 'json-bodies', feed: (source) => feedBody(source, 'json') },
  { name: 'protobuf-bodies', feed: (source) => feedBody(source, 'protobuf') },
  {
    name: 'echo-bodies',
    feed: (source) => void echoProtobuf(source.bytes(PROTOBUF_BODIES['echo'] ?? [])),
  },
  { name: 'tensors', feed: feedTensor },
  {
    name: 'manifests',
    feed: (source) => void parseManifestFields(source.value([REGISTRATION.manifest])),
  },
  {
    name: 'registrations',
    feed: (source) =>
      void parseRegistration(Buffer.from(source.json([REGISTRATION])).toString('utf8')),
  },
  { name: 'package-paths', feed: feedPath },
  { name: 'package-documents', feed: feedDocuments },
  { name: 'tokenizers', feed: feedTokenizer },
  { name: 'chat-templates', feed: feedTemplate },
  { name: 'graphs', feed: feedGraph },
  { name: 'graph-edits', feed: feedGraphEdit },
];
