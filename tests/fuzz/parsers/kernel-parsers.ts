/** What the kernel reads: tasks, requests, reports, messages of nodes, rows of buckets. */
import {
  BUILT_IN_FUNCTIONS,
  HEADERS,
  LlmosError,
  asEpoch,
  compileSchemaCheck,
  decodeJson,
  encodeJson,
  parseTaskSubject,
  readLeaderRecord,
} from '@llmos/base';
import type { IntakeContext } from '@llmos/kernel/testing';
import {
  REQUEST_CODECS,
  SYSTEM_CALL_CHECKS,
  checkTaskRequest,
  checkFunctionDefinition,
  checkModelRegistration,
  checkSpawnRequest,
  eventsOf,
  parseStoreRecord,
  readProtobufBody,
  readTask,
} from '@llmos/kernel/testing';
import { functions } from '@llmos/proto';
import * as node from '@llmos/proto/node';
import {
  InvalidNodeMessage,
  decodeReport,
  encodeReport,
  readNodeMessage,
  writeNodeMessage,
} from '@llmos/wire';
import type { FuzzParser } from '../fuzz';
import { isDecodeError, promise, promiseSame } from '../fuzz';
import type { FuzzSource } from '../fuzz-source';
import { BODIES, PROTOBUF_BODIES } from './samples';
import { attemptOf, NODE_MESSAGES, REGISTRATION } from './samples';
import { hostileHeaders } from './wire-parsers';

const CHECKS = new Map(
  BUILT_IN_FUNCTIONS.map(({ name, input }) => [
    name,
    compileSchemaCheck(input, `input of ${name}`),
  ]),
);
const NAMES = BUILT_IN_FUNCTIONS.map((definition) => definition.name);
const context: IntakeContext = {
  functionOf: (name) => BUILT_IN_FUNCTIONS.find((definition) => definition.name === name),
  readProtobuf: readProtobufBody,
  maxBodyBytes: 60_000,
};

interface ForeignBytes {
  readonly name: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

function hostileTask(source: FuzzSource): ForeignBytes {
  const name = source.pick(NAMES);
  const isProtobuf = source.random.chance(0.4);
  const headers = new Map(hostileHeaders(source));
  if (isProtobuf) headers.set(HEADERS.contentType, 'application/x-protobuf');
  const body = isProtobuf
    ? source.bytes(PROTOBUF_BODIES[name] ?? [])
    : source.json(BODIES[name] ?? []);
  return { name, headers, body };
}

function feedTask(source: FuzzSource): void {
  const { name, headers, body } = hostileTask(source);
  const subject = parseTaskSubject(`llmos.v1.task.batch.acme.${name}`);
  if (subject === undefined) throw new Error('a good subject was not read');
  const event = readTask(
    {
      subject,
      sequence: 41,
      storedWallMs: 1_800_000_000_000,
      header: (key) => headers.get(key),
      areHeadersReadable: source.random.chance(0.95),
      body,
    },
    context,
  );
  if (event.kind === 'task-malformed') encodeJson(event.error);
  promise(/^[A-Za-z0-9_-]{1,64}$/.test(event.spec.id), `id ${event.spec.id}`);
}

function feedRequest(source: FuzzSource): void {
  const { name, headers, body } = hostileTask(source);
  const kind = source.pick(['submit', 'call'] as const);
  const reading = REQUEST_CODECS[kind].read({
    subject: source.text([`llmos.v1.${kind}.acme.${name}`]),
    bytes: body.length,
    header: (key) => headers.get(key),
    body,
  });
  const outcome = checkTaskRequest(reading, 'standard', {
    ...context,
    maxBodyBytes: () => context.maxBodyBytes,
    inputCheckOf: (of) => CHECKS.get(of),
    functionNames: () => NAMES,
  });
  if (outcome.kind === 'refused') encodeJson(outcome.error);
}

const COST = { deviceMs: 1.5, cpuMs: 6, inputTokens: 7, outputTokens: 2 };
const REPORTS = [
  encodeReport(3, {
    accepted: [attemptOf('a')],
    finished: [
      { ref: attemptOf('b'), outcome: { kind: 'committed', ok: false, errorCode: 'INTERNAL' } },
      { ref: attemptOf('c'), outcome: { kind: 'stopped', reason: 'CANCELLED' }, cost: COST },
      { ref: attemptOf('d'), outcome: { kind: 'preempted' }, cost: COST },
    ],
    heartbeat: { running: [attemptOf('e')], costs: [COST], epoch: asEpoch(7), foreign: 2 },
  }),
];

const REPORTER = { node: 'node-1', process: 'p1' } as Parameters<typeof eventsOf>[0];

function feedNodeMessage(source: FuzzSource): void {
  const message = readNodeMessage(node.NodeMessage.decode(source.bytes(NODE_MESSAGES)));
  promiseSame(message, (of) => of && readNodeMessage(writeNodeMessage(of)));
}

const CALLS: Readonly<Record<string, readonly unknown[]>> = {
  status: [{ task: 'order-17' }],
  spawn: [{ model: 'storyteller', replicas: 2 }],
  kill: [{ pid: 'p7' }],
  'model-add': [REGISTRATION],
  'model-remove': [{ model: 'storyteller@1' }],
};
const FUNCTION = { name: 'mine', description: 'd', input: {}, output: {}, runs: 'model' };
const STORES = { version: 1, stores: { LLMOS_TASKS: 1024, KV_llmos_models: 0 } };
const LEADER = { kernelId: 'k1', epoch: 7, httpUrl: '', grpcUrl: 'a:1', isReleased: false };

/** A value that was read is checked; the check answers, whatever the value. */
function feedChecked(source: FuzzSource): void {
  const [name, check, samples] = source.pick([
    ...[...SYSTEM_CALL_CHECKS].map(([call, of]) => [call, of, CALLS[call] ?? [{}]] as const),
    ['model row', checkModelRegistration, [{ ...REGISTRATION, addedWallMs: 1 }]] as const,
    ['function row', checkFunctionDefinition, [FUNCTION]] as const,
    ['desired row', checkSpawnRequest, [{ model: 'm@1', replicas: 1 }]] as const,
  ]);
  let value: unknown;
  try {
    value = decodeJson(source.json(samples));
  } catch {
    return;
  }
  const refusal = check(value);
  if (refusal !== undefined) promise(refusal.message.length < 2_000, `a long message of ${name}`);
}

export const KERNEL_PARSERS: readonly FuzzParser[] = [
  { name: 'tasks', feed: feedTask },
  { name: 'requests', feed: feedRequest },
  { name: 'system-calls-and-rows', feed: feedChecked },
  {
    name: 'reports',
    feed: (source) => {
      const report = decodeReport(source.bytes(REPORTS));
      eventsOf(REPORTER, report);
      promiseSame(report, (of) => decodeReport(encodeReport(of.incarnation, of)));
    },
    isRefusal: isDecodeError,
  },
  {
    name: 'node-messages',
    feed: feedNodeMessage,
    isRefusal: (thrown) => thrown instanceof InvalidNodeMessage || isDecodeError(thrown),
  },
  { name: 'store-record', feed: (source) => void parseStoreRecord(source.json([STORES])) },
  {
    name: 'leader-record',
    feed: (source) => void readLeaderRecord({ value: source.json([LEADER]), revision: 9 }),
  },
  {
    name: 'protobuf-results',
    feed: (source) =>
      void functions.TaskResult.decode(source.bytes([...(PROTOBUF_BODIES['echo'] ?? [])])),
    isRefusal: (thrown) => thrown instanceof LlmosError || isDecodeError(thrown),
  },
];
