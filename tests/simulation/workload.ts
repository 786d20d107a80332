/** What the clients of a simulated system publish and cancel, at random times. */
import type { FunctionName, ModelRegistration, TaskId, TaskKey, TenantId } from '@llmos/base';
import { TASK_CLASSES, asToken, taskIdOfSequence } from '@llmos/base';
import type { NodeCapabilities, TaskSpec } from '@llmos/kernel/testing';
import type { Script } from './model-store';
import type { Scenario } from './scenario';
import type { World } from './world';

const MIB = 1024 * 1024;

/** Three that don't all fit on one node, one that never loads, one that fits nowhere. */
export const MODELS: readonly ModelRegistration[] = [
  model('alpha', 'embed', 300),
  model('beta', 'classify', 400),
  model('gamma', 'generate', 500),
  model('broken', 'extract', 100),
  model('huge', 'generate', 100_000),
];

export const CAPABILITIES: NodeCapabilities = {
  cores: 4,
  memoryBytes: 1_000 * MIB,
  devices: [{ id: 'cpu', provider: 'cpu', name: 'cpu', capacityBytes: 1_000 * MIB }],
  providers: ['cpu'],
  versions: {},
  labels: {},
};

/** Chooses what to publish by these weights. */
const CALLS = [
  { function: 'echo', model: undefined },
  { function: 'echo', model: undefined },
  { function: 'embed', model: 'alpha' },
  { function: 'embed', model: undefined },
  { function: 'classify', model: 'beta' },
  { function: 'generate', model: 'gamma' },
  { function: 'infer', model: 'alpha' },
] as const;
const GENERATION = { function: 'generate', model: 'gamma' } as const;
const ODD_CALLS = [
  { function: 'extract', model: 'broken' },
  { function: 'generate', model: 'huge' },
  { function: 'embed', model: 'nowhere' },
  { function: 'no-such-function', model: undefined },
  { function: 'generate', model: undefined },
] as const;

/** @param onStored called after each message that the stream took. */
export function planWorkload(world: World, scenario: Scenario, onStored: () => void): void {
  const { time, random } = world;
  for (let count = 0; count < scenario.taskCount; count += 1) {
    time.after(random.next() * scenario.activeMs, () => {
      const spec = publish(world, scenario);
      onStored();
      if (random.chance(scenario.duplicateRate) && spec.hasOwnId) {
        time.after(random.next() * 20_000, () => {
          republish(world, spec);
          onStored();
        });
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
  const { time, random, store } = world;
  const count = Math.round(scenario.cancelRate * scenario.taskCount);
  for (let index = 0; index < count; index += 1) {
    time.after(random.next() * scenario.activeMs, () => {
      const stored = store.bySequence(1 + random.below(Math.max(1, store.lastSequence)));
      if (stored !== undefined) cancel(stored.spec.tenant, stored.spec.id);
    });
  }
}

function publish(world: World, scenario: Scenario): TaskSpec {
  const { random, store, time } = world;
  const sequence = store.lastSequence + 1;
  const isOdd = scenario.poisonRate > 0 && random.chance(0.1);
  const calls = isOdd ? ODD_CALLS : CALLS;
  const isLong = random.chance(scenario.generationRate);
  const call = isLong ? GENERATION : (calls[random.below(calls.length)] ?? CALLS[0]);
  const hasOwnId = random.chance(0.7);
  const storedWallMs = time.wallMs();
  const parent = random.chance(0.1) ? store.bySequence(1 + random.below(sequence)) : undefined;
  const spec: TaskSpec = {
    tenant: asToken<TenantId>(random.chance(0.8) ? 'acme' : 'zenith'),
    id: hasOwnId ? asToken<TaskId>(`t${sequence}`) : taskIdOfSequence(sequence),
    hasOwnId,
    ...(hasOwnId && random.chance(0.5) ? { isIdNew: true } : {}),
    function: asToken<FunctionName>(call.function),
    class: TASK_CLASSES[random.below(TASK_CLASSES.length)] ?? 'standard',
    priority: random.below(10),
    hasOwnPriority: random.chance(0.5),
    sequence,
    storedWallMs,
    maxAttempts: 1 + random.below(4),
    stream: false,
    format: 'json',
    ...(random.chance(scenario.deadlineRate)
      ? { deadlineWallMs: storedWallMs + 200 + random.below(8_000) }
      : {}),
    ...(random.chance(0.3) ? { key: asToken<TaskKey>(`k${random.below(3)}`) } : {}),
    ...(call.model === undefined ? {} : { model: { name: call.model } }),
    ...(parent === undefined ? {} : { parent: parent.spec.id }),
  };
  store.tasks.push({
    spec,
    isMalformed: isOdd && random.chance(0.2),
    script: chooseScript(world, scenario),
    workMs: 1 + random.next() * (isLong ? 6_000 : random.chance(0.2) ? 3_000 : 300),
    isAcknowledged: false,
  });
  return spec;
}

/** The same id again: it shares the result. Where it still says that its id is new, it is wrong. */
function republish(world: World, first: TaskSpec): void {
  const { store, time, random } = world;
  const original = store.bySequence(first.sequence);
  if (original === undefined) return;
  const sequence = store.lastSequence + 1;
  const { isIdNew: _isIdNew, ...rest } = first;
  const again = random.chance(0.5) ? first : rest;
  const spec: TaskSpec = { ...again, sequence, storedWallMs: time.wallMs() };
  store.tasks.push({ ...original, spec, isAcknowledged: false });
}

function chooseScript(world: World, scenario: Scenario): Script {
  const { random } = world;
  if (random.chance(scenario.poisonRate)) return { kind: 'poison' };
  if (random.chance(scenario.poisonRate)) return { kind: 'fails-finally' };
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
