/**
 * `node --expose-gc tests/dist/bench/held-tasks.js [TASKS]`: what tasks that wait take in the heap
 * of the kernel: its core and the messages that it holds, without NATS. One JSON line for each kind
 * of task, with what the core counts for one of them (`weight`).
 *
 * `node --expose-gc --max-old-space-size=1152 tests/dist/bench/held-tasks.js fill KIND`: takes tasks
 * of a kind in until intake pauses, and says how many these are and what they take.
 */
import { getHeapStatistics } from 'node:v8';
import { asEpoch, asToken, encodeJson, ownText } from '@llmos/base';
import type { HeaderSource, TaskClass } from '@llmos/base';
import {
  HeldMessages,
  budgetFor,
  createKernelCore,
  openingFor,
  readTask,
} from '@llmos/kernel/testing';
import type { KernelCore } from '@llmos/kernel/testing';

const WALL_MS = 1_800_000_000_000;
const NOW = { nowMs: 0, wallMs: WALL_MS };
const MODEL = 'm'.repeat(64);
const VERSION = 'v'.repeat(64);
const TENANT = asToken<never>('t'.repeat(64));
const BODY = encodeJson({ value: 'a body' });
const MIB = 1024 * 1024;

type Headers = Readonly<Record<string, string>>;

/** Of 64 characters, another one for each task. */
function long(prefix: string, index: number): string {
  return `${prefix}${index}`.padEnd(64, '_');
}

const FAR = new Date(WALL_MS + 3_600_000).toISOString();
const everyHeader = (index: number): Headers => ({
  'Llmos-Id': long('id', index),
  'Llmos-Id-New': 'true',
  'Llmos-Model': `${MODEL}@${VERSION}`,
  'Llmos-Priority': '7',
  'Llmos-Timeout-Ms': '3600000',
  'Llmos-Deadline': FAR,
  'Llmos-Key': long('key', index),
  'Llmos-Max-Attempts': '5',
  'Llmos-Stream': 'true',
  'Llmos-Parent': long('parent', index),
  'Llmos-Root': long('root', index),
  'Llmos-Keep-Ms': '3600000',
  'Llmos-Flow': long('flow', index),
  'Llmos-Not-Before': FAR,
  'Llmos-Caller': long('caller', index),
  traceparent: '0'.repeat(128 - String(index).length) + String(index),
  'Content-Type': 'application/json',
});

/** Those of every header whose names begin so. */
const only =
  (...names: readonly string[]) =>
  (index: number): Headers =>
    Object.fromEntries(Object.entries(everyHeader(index)).filter(([name]) => names.includes(name)));

const KINDS: Readonly<Record<string, (index: number) => Headers>> = {
  plain: () => ({}),
  sdk: (index) => ({
    'Llmos-Id': `id-${String(index).padStart(23, '0')}`,
    'Llmos-Id-New': 'true',
    'Llmos-Timeout-Ms': '3600000',
    'Llmos-Caller': 'caller-of-many-tasks-0001',
  }),
  id: only('Llmos-Id', 'Llmos-Id-New'),
  deadline: only('Llmos-Deadline'),
  key: only('Llmos-Key'),
  model: only('Llmos-Model'),
  parent: only('Llmos-Parent'),
  family: only('Llmos-Parent', 'Llmos-Root'),
  caller: only('Llmos-Caller'),
  flow: only('Llmos-Flow'),
  trace: only('traceparent'),
  every: everyHeader,
  /** The worst of these: a set for each two. */
  pairs: (index) => {
    const pair = index >> 1;
    const shared = { 'Llmos-Parent': long('parent', pair), 'Llmos-Root': long('root', pair) };
    return { ...everyHeader(index), ...shared, 'Llmos-Caller': long('caller', pair) };
  },
};

function leadingCore(): KernelCore {
  const core = createKernelCore({ maxTasks: Infinity, maxTasksPerTenant: Infinity });
  core.apply(
    {
      kind: 'leadership-began',
      epoch: asEpoch(1),
      kernelId: asToken('kernel'),
      recoverUpToSequence: 0,
      desired: [],
    },
    NOW,
  );
  const manifest = { task: 'embed', graph: 'model.onnx' } as const;
  const model = { name: MODEL, version: VERSION, digest: 'd', files: [], manifest };
  const models = [{ ...model, footprintBytes: 1, addedWallMs: 1 }];
  core.apply({ kind: 'models-changed', models }, NOW);
  return core;
}

function takeIn(core: KernelCore, held: HeldMessages, sequence: number, headers: Headers): void {
  const header: HeaderSource = (name) => {
    const value = headers[name];
    return value === undefined ? undefined : ownText(value);
  };
  const name = headers['Llmos-Model'] === undefined ? 'echo' : 'embed';
  const subject = { class: 'batch' as TaskClass, tenant: TENANT, function: asToken<never>(name) };
  const context = {
    functionOf: () => undefined,
    readProtobuf: () => undefined as never,
    maxBodyBytes: 1_000_000,
  };
  const about = { subject, sequence, storedWallMs: WALL_MS, header, areHeadersReadable: true };
  const event = readTask({ ...about, body: BODY }, context);
  const reply = `$JS.ACK.LLMOS_TASKS.intake-batch-1.1.${sequence}.${sequence}.1800000000000000000.1`;
  held.hold(sequence, reply, BODY);
  core.apply(event, NOW);
  if (sequence % 1_000 === 0) core.plan(NOW);
}

function usedBytes(): number {
  global.gc?.();
  global.gc?.();
  return process.memoryUsage().heapUsed;
}

function measure(count: number): void {
  for (const [kind, headersOf] of Object.entries(KINDS)) {
    const core = leadingCore();
    const held = new HeldMessages(1_000_000_000);
    const before = usedBytes();
    for (let at = 1; at <= count; at += 1) takeIn(core, held, at, headersOf(at));
    const bytesPerTask = Math.round((usedBytes() - before) / count);
    const { tasks, queued, heldBytes } = core.counts();
    if (tasks !== count || queued.batch !== held.count) throw new Error(`${tasks} tasks wait`);
    print({ kind, bytesPerTask, weight: Math.round(heldBytes / count) });
  }
}

function fill(kind: string): void {
  const headersOf = KINDS[kind];
  if (headersOf === undefined) throw new Error(`no kind ${kind}: ${Object.keys(KINDS).join(', ')}`);
  const heapLimitBytes = getHeapStatistics().heap_size_limit;
  const budget = budgetFor(heapLimitBytes);
  const core = leadingCore();
  const held = new HeldMessages(budget.bodyCacheBytes);
  const before = usedBytes();
  const isOpen = (): boolean => {
    const { tasks: heldTasks, heldBytes } = core.counts();
    const of = { heldTasks, heldBytes, waitingEvents: 0, hasResultRoom: true };
    return openingFor({ ...budget, ...of }).batch;
  };
  let count = 0;
  while (isOpen()) takeIn(core, held, (count += 1), headersOf(count));
  const mib = (bytes: number): number => Math.round(bytes / MIB);
  const usedMib = mib(usedBytes() - before);
  // What is asked for afterwards is not collected before.
  const { tasks, heldBytes } = core.counts();
  const weightMib = mib(heldBytes);
  const budgetMib = mib(budget.maxHeldBytes);
  print({
    kind,
    tasks,
    held: held.count,
    usedMib,
    weightMib,
    budgetMib,
    heapMib: mib(heapLimitBytes),
  });
}

function print(row: object): void {
  process.stdout.write(`${JSON.stringify(row)}\n`);
}

const [mode = '100000', kind = 'every'] = process.argv.slice(2);
if (mode === 'fill') fill(kind);
else measure(Number(mode));
