/** What the clients of a simulated system publish and cancel, at random times. */
import type {
  FunctionName,
  ModelRegistration,
  NodeCapabilities,
  TaskClass,
  TaskId,
  TaskSubject,
  TenantId,
} from '@llmos/base';
import {
  HEADERS,
  STREAMS,
  TASK_CLASSES,
  asToken,
  digestBody,
  encodeJson,
  formatIdentity,
  subjects,
  taskIdOfSequence,
} from '@llmos/base';
import { headers as newHeaders } from 'nats';
import type { Scenario } from './scenario';
import { nameOf, type World } from './world';

/** How the attempts of a task end; known to processes only. */
export type Script =
  | { readonly kind: 'succeeds' }
  | { readonly kind: 'fails-at-first'; readonly failures: number }
  | { readonly kind: 'fails-finally' }
  /** Its process dies of it. */
  | { readonly kind: 'poison' }
  /** Its result is larger than a message may be. */
  | { readonly kind: 'too-big' };

export interface PublishedTask {
  readonly tenant: TenantId;
  readonly id: TaskId;
  readonly class: TaskClass;
  readonly subject: TaskSubject;
  readonly sequence: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Of the input; two tasks of one id and different texts are two tasks. */
  readonly text: string;
  readonly body: Uint8Array;
  /** What its id stands for; undefined where it is its own. */
  readonly identity: string | undefined;
  readonly script: Script;
  readonly workMs: number;
  /** Of a generation. */
  readonly tokenCount: number;
  readonly storedAtMs: number;
  isAcknowledged: boolean;
}

const MIB = 1024 * 1024;

/** Three that don't all fit on one node, one that never loads, one that fits nowhere. */
const FEW_MODELS: readonly ModelRegistration[] = [
  model('alpha', 'embed', 300),
  model('beta', 'classify', 400),
  model('gamma', 'generate', 500),
  model('broken', 'extract', 100),
  model('huge', 'generate', 100_000),
];

/** Further ones for worlds of many, every tenth of which fits nowhere. */
export function modelsOf({ modelCount }: Scenario): readonly ModelRegistration[] {
  const more = Array.from({ length: modelCount }, (_, index) =>
    model(`m${index}`, 'embed', index % 10 === 9 ? 100_000 : 300),
  );
  return [...FEW_MODELS, ...more];
}

export const CAPABILITIES: NodeCapabilities = {
  cores: 4,
  memoryBytes: 1_000 * MIB,
  devices: [{ id: 'cpu', provider: 'cpu', name: 'cpu', capacityBytes: 1_000 * MIB }],
  providers: ['cpu'],
  versions: {},
  labels: {},
};

interface Call {
  readonly function: string;
  readonly model: string | undefined;
}

/** Chooses what to publish by these weights. */
const CALLS: readonly Call[] = [
  { function: 'echo', model: undefined },
  { function: 'echo', model: undefined },
  { function: 'embed', model: 'alpha' },
  { function: 'embed', model: undefined },
  { function: 'classify', model: 'beta' },
  { function: 'generate', model: 'gamma' },
  { function: 'infer', model: 'alpha' },
];
const GENERATION: Call = { function: 'generate', model: 'gamma' };
const ODD_CALLS: readonly Call[] = [
  { function: 'extract', model: 'broken' },
  { function: 'generate', model: 'huge' },
  { function: 'embed', model: 'nowhere' },
  { function: 'no-such-function', model: undefined },
  { function: 'generate', model: undefined },
];
const TEXT = 'a text';

/** @param onStored called after each message that the stream took. */
export function planWorkload(
  world: World,
  scenario: Scenario,
  onStored: (task: PublishedTask) => void,
): void {
  const { time, random } = world;
  for (let count = 0; count < scenario.taskCount; count += 1) {
    time.after(random.next() * scenario.activeMs, () => {
      const task = publish(world, scenario);
      onStored(task);
      if (task.identity === undefined) return;
      if (random.chance(scenario.duplicateRate)) {
        time.after(random.next() * 20_000, () => onStored(republish(world, task)));
      }
      if (random.chance(scenario.clashRate) && task.tokenCount === 0) {
        time.after(random.next() * 5_000, () => onStored(publishAnother(world, task)));
      }
    });
  }
}

/** Cancels go to whoever leads. */
export function planCancels(
  world: World,
  scenario: Scenario,
  cancel: (tenant: TenantId, task: TaskId) => void,
): void {
  const { time, random, tasks } = world;
  const count = Math.round(scenario.cancelRate * scenario.taskCount);
  for (let index = 0; index < count; index += 1) {
    time.after(random.next() * scenario.activeMs, () => {
      const task = tasks[random.below(Math.max(1, tasks.length))];
      if (task === undefined) return;
      world.cancelled.add(nameOf(task));
      cancel(task.tenant, task.id);
    });
  }
}

function publish(world: World, scenario: Scenario): PublishedTask {
  const { random, tasks } = world;
  const isOdd = scenario.poisonRate > 0 && random.chance(0.1);
  const isLong = random.chance(scenario.generationRate);
  const call = chooseCall(world, scenario, { isOdd, isLong });
  const isGeneration = call.function === 'generate';
  return store(world, {
    subject: {
      tenant: asToken<TenantId>(random.chance(0.8) ? 'acme' : 'zenith'),
      class: TASK_CLASSES[random.below(TASK_CLASSES.length)] ?? 'standard',
      function: asToken<FunctionName>(call.function),
    },
    headers: chooseHeaders(world, scenario, { call, isOdd, sequence: tasks.length + 1 }),
    text: TEXT,
    script: chooseScript(world, scenario),
    workMs: 1 + random.next() * (isLong ? 6_000 : random.chance(0.2) ? 3_000 : 300),
    tokenCount: isGeneration ? 1 + random.below(isLong ? 24 : 8) : 0,
  });
}

function chooseCall(
  { random }: World,
  { modelCount }: Scenario,
  { isOdd, isLong }: { readonly isOdd: boolean; readonly isLong: boolean },
): Call {
  if (isLong) return GENERATION;
  if (modelCount > 0 && random.chance(0.8)) {
    return { function: 'embed', model: `m${random.below(modelCount)}` };
  }
  const calls = isOdd ? ODD_CALLS : CALLS;
  return calls[random.below(calls.length)] ?? GENERATION;
}

function chooseHeaders(
  world: World,
  scenario: Scenario,
  of: { readonly call: Call; readonly isOdd: boolean; readonly sequence: number },
): Map<string, string> {
  const { random, tasks, time } = world;
  const headers = new Map<string, string>();
  if (random.chance(0.7)) {
    headers.set(HEADERS.id, `t${of.sequence}`);
    if (random.chance(0.5)) headers.set(HEADERS.isIdNew, 'true');
  }
  if (random.chance(0.5)) headers.set(HEADERS.priority, String(random.below(10)));
  headers.set(HEADERS.maxAttempts, String(1 + random.below(4)));
  if (random.chance(scenario.deadlineRate)) {
    const inMs = 200 + random.below(8_000);
    if (random.chance(0.5)) headers.set(HEADERS.timeoutMs, String(inMs));
    else headers.set(HEADERS.deadline, new Date(time.wallMs() + inMs).toISOString());
  }
  if (random.chance(scenario.keyRate)) {
    headers.set(HEADERS.key, `k${random.below(scenario.keyCount)}`);
  }
  if (of.call.model !== undefined) headers.set(HEADERS.model, of.call.model);
  if (random.chance(0.1)) {
    const parent = tasks[random.below(Math.max(1, tasks.length))];
    if (parent !== undefined) headers.set(HEADERS.parent, parent.id);
  }
  if (of.call.function === 'generate' && random.chance(0.6)) headers.set(HEADERS.stream, 'true');
  if (random.chance(0.3)) headers.set(HEADERS.keepMs, '60000');
  if (of.isOdd && random.chance(0.2)) headers.set(HEADERS.priority, 'many');
  return headers;
}

/** The same id again: it shares the result. Where it still says that its id is new, it is wrong. */
function republish(world: World, first: PublishedTask): PublishedTask {
  const headers = new Map(first.headers);
  if (world.random.chance(0.5)) headers.delete(HEADERS.isIdNew);
  return store(world, { ...first, headers });
}

/** The same id for another task: it belongs to the first, and this one ends by its number. */
function publishAnother(world: World, first: PublishedTask): PublishedTask {
  const headers = new Map(first.headers);
  // One that is out of time when it comes in ends before anybody looks whose its id is.
  for (const name of [HEADERS.isIdNew, HEADERS.timeoutMs, HEADERS.deadline]) headers.delete(name);
  return store(world, { ...first, headers, text: `another text than ${first.sequence}` });
}

type ToStore = Pick<
  PublishedTask,
  'subject' | 'headers' | 'text' | 'script' | 'workMs' | 'tokenCount'
>;

function store(world: World, of: ToStore): PublishedTask {
  const { time, server } = world;
  const header = newHeaders();
  for (const [name, value] of of.headers) header.set(name, value);
  const subject = subjects.task(of.subject);
  const body = encodeJson({ text: of.text });
  const outcome = server.store(STREAMS.tasks, { subject, data: body, header });
  if (outcome.kind !== 'stored') throw new Error(`a task was not stored: ${outcome.kind}`);
  const { seq: sequence } = outcome.message;
  const id = (of.headers.get(HEADERS.id) as TaskId | undefined) ?? taskIdOfSequence(sequence);
  const { tenant, class: taskClass } = of.subject;
  const task: PublishedTask = {
    ...of,
    tenant,
    id,
    class: taskClass,
    sequence,
    body,
    identity: identityIn(of, body),
    storedAtMs: time.nowMs,
    isAcknowledged: false,
  };
  world.addTask(task);
  return task;
}

/** As a result says it (task-digest.ts). */
function identityIn({ headers, subject }: ToStore, body: Uint8Array): string | undefined {
  if (!headers.has(HEADERS.id)) return undefined;
  const digest = digestBody(body, headers.get(HEADERS.model) ?? '');
  return formatIdentity({ function: subject.function, digest });
}

function chooseScript(world: World, scenario: Scenario): Script {
  const { random } = world;
  if (random.chance(scenario.poisonRate)) return { kind: 'poison' };
  if (random.chance(scenario.poisonRate)) return { kind: 'fails-finally' };
  if (random.chance(scenario.bigAnswerRate)) return { kind: 'too-big' };
  return random.chance(0.1)
    ? { kind: 'fails-at-first', failures: 1 + random.below(3) }
    : { kind: 'succeeds' };
}

function model(
  name: string,
  task: ModelRegistration['manifest']['task'],
  footprintMib: number,
): ModelRegistration {
  return {
    name,
    version: '1',
    digest: name,
    files: [],
    manifest: { task, graph: 'model.onnx' },
    footprintBytes: footprintMib * MIB,
    addedWallMs: 1,
  };
}
