import type {
  CallerId,
  FunctionName,
  Instant,
  NodeId,
  TaskClass,
  TaskId,
  TenantId,
} from '@llmos/base';
import { TASK_CLASSES, asEpoch, asToken } from '@llmos/base';
import { createKernelCore } from '../core';
import { modelOf } from '../core-fixture';
import type { KernelDecision } from '../kernel-decision';
import type { KernelEvent } from '../kernel-event';
import { CORE_LIMITS } from '../limits';
import type { TaskSpec } from '../tasks/task-spec';

const { maxOpenCommits, maxOpenLookUps, maxSweptPerTick, maxWaitingCommits } = CORE_LIMITS;
const MANY = 3 * maxSweptPerTick;
const WALL_MS = 1_800_000_000_000;
const TENANT = asToken<TenantId>('acme');
type Commit = Extract<KernelDecision, { kind: 'commit-result' }>;

function specOf(sequence: number, more: Partial<TaskSpec> = {}): TaskSpec {
  return {
    tenant: TENANT,
    id: asToken<TaskId>(`s${sequence}`),
    hasOwnId: false,
    function: asToken<FunctionName>('embed'),
    class: 'batch',
    priority: 5,
    hasOwnPriority: false,
    sequence,
    storedWallMs: WALL_MS,
    maxAttempts: 3,
    stream: false,
    format: 'json',
    model: { name: 'one', version: '1' },
    ...more,
  };
}

/** Without a check after each event: there are too many. */
class Core {
  private readonly core = createKernelCore({ nodeLeaseMs: 3_600_000, recoveryWaitMs: 1_000 });
  /** Processes. */
  started = 0;
  /** The invariants of very many tasks take seconds. */
  isChecked = true;
  private now: Instant = { nowMs: 0, wallMs: WALL_MS };

  constructor(recoverUpToSequence = 0) {
    this.tick({
      kind: 'leadership-began',
      epoch: asEpoch(1),
      kernelId: asToken('kernel'),
      recoverUpToSequence,
      desired: [],
    });
    this.tick({ kind: 'models-changed', models: [modelOf('one')] });
  }

  /** What one tick decided. */
  tick(...events: KernelEvent[]): KernelDecision[] {
    for (const event of events) this.core.apply(event, this.now);
    const decisions = this.core.plan(this.now);
    this.started += decisions.filter(({ kind }) => kind === 'start-process').length;
    if (this.isChecked) expect(this.core.violations()).toEqual([]);
    return decisions;
  }

  store(count: number, more: (sequence: number) => Partial<TaskSpec> = () => ({})): void {
    for (let sequence = 1; sequence <= count; sequence += 1) {
      this.core.apply({ kind: 'task-stored', spec: specOf(sequence, more(sequence)) }, this.now);
    }
    this.tick();
  }

  attachNode(): void {
    const capacityBytes = 2 ** 40;
    const device = { id: 'cpu', provider: 'cpu', name: 'cpu', capacityBytes } as const;
    this.tick({
      kind: 'node-attached',
      nodeId: asToken<NodeId>('node'),
      session: 'node-1',
      capabilities: {
        cores: 2,
        memoryBytes: capacityBytes,
        devices: [device],
        providers: ['cpu'],
        versions: {},
        labels: {},
      },
      processes: [],
    });
  }

  pass(ms: number): void {
    this.now = { nowMs: this.now.nowMs + ms, wallMs: this.now.wallMs + ms };
  }

  /** Ticks at once for as long as the core asks for it, answering each commit; by tick. */
  commitsUntilQuiet(...first: KernelEvent[]): Commit[][] {
    const ticks: Commit[][] = [];
    let events = first;
    for (;;) {
      const commits = this.tick(...events).filter((each) => each.kind === 'commit-result');
      ticks.push(commits);
      events = commits.map(({ of: { tenant, id: task } }) => ({
        kind: 'result-committed',
        tenant,
        task,
      }));
      const isDue = (this.core.nextWakeMs() ?? Infinity) <= this.now.nowMs;
      if (events.length === 0 && !isDue) return ticks;
    }
  }

  counts() {
    return this.core.counts();
  }

  wakeMs(): number {
    return (this.core.nextWakeMs() ?? Infinity) - this.now.nowMs;
  }
}

function expectAllInParts(ticks: readonly Commit[][], count: number): void {
  const all = ticks.flat();
  expect(new Set(all.map(({ of: { id: task } }) => task)).size).toBe(count);
  expect(all).toHaveLength(count);
  for (const commits of ticks) expect(commits.length).toBeLessThanOrEqual(maxSweptPerTick);
}

it('ends the tasks of a removed model in parts, in their order, and loses none', () => {
  const core = new Core();
  core.store(MANY);
  expect(core.counts().queued.batch).toBe(MANY);
  core.attachNode();
  expect(core.started).toBe(1);
  core.started = 0;
  const ticks = core.commitsUntilQuiet({ kind: 'models-changed', models: [] });
  expect(core.started).toBe(0);
  expectAllInParts(ticks, MANY);
  expect(ticks.flat().map(({ of: { id: task } }) => Number(task.slice(1)))).toEqual(
    Array.from({ length: MANY }, (_, index) => index + 1),
  );
  expect(core.counts().tasks).toBe(0);
});

it('cancels a large family in parts', () => {
  const core = new Core();
  const root = asToken<TaskId>('root');
  core.store(MANY, () => ({ parent: root, root }));
  const ticks = core.commitsUntilQuiet({ kind: 'cancel-requested', tenant: TENANT, task: root });
  // The root's own end, before it is taken in.
  const [first, ...members] = ticks.flat();
  expect(first?.of.id).toBe(root);

  expect(members).toHaveLength(MANY);
  for (const commits of ticks) expect(commits.length).toBeLessThanOrEqual(maxSweptPerTick + 1);
  expect(core.counts().tasks).toBe(0);
});

it('walks over a family once more, however often it is cancelled meanwhile', () => {
  const core = new Core();
  const root = asToken<TaskId>('root');
  core.store(MANY, () => ({ parent: root, root }));
  const cancel = { kind: 'cancel-requested', tenant: TENANT, task: root } as const;
  const oneWalk = MANY / maxSweptPerTick;
  const cancels = Array.from({ length: 50 }, () => cancel);
  core.tick(...cancels);
  // Under way; nothing is answered, so that its members are there still.
  for (let again = 0; again < 50; again += 1) core.tick(cancel);
  let ticks = 1 + 50;
  for (; core.wakeMs() <= 0; ticks += 1) core.tick();
  expect(ticks).toBeLessThanOrEqual(1 + 50 + 2 * oneWalk);
  expect(core.counts().tasks).toBe(MANY);
});

it('remembers the root of a family for what comes in later, however large the family is', () => {
  const core = new Core();
  core.isChecked = false;
  const root = asToken<TaskId>('root');
  const many = CORE_LIMITS.maxCancelledIds + 2 * maxSweptPerTick;
  core.store(many, () => ({ root }));
  const family = core.commitsUntilQuiet({ kind: 'cancel-requested', tenant: TENANT, task: root });
  // The root has one, too: nobody knew it.
  expect(family.flat()).toHaveLength(1 + many);
  const late = core.commitsUntilQuiet({
    kind: 'task-stored',
    spec: specOf(many + 1, { root }),
  });
  expect(late.flat().map(({ of }) => of.id)).toEqual([`s${many + 1}`]);
  expect(core.counts().tasks).toBe(0);
});

it('leaves alone what a caller sent that was gone and came back', () => {
  const core = new Core();
  const caller = asToken<CallerId>('me');
  core.store(MANY, () => ({ caller }));
  core.tick(
    { kind: 'caller-gone', of: { tenant: TENANT, caller } },
    { kind: 'task-stored', spec: specOf(MANY + 1, { caller }) },
  );
  core.commitsUntilQuiet();
  for (let tick = 0; core.wakeMs() <= 0 && tick < 10; tick += 1) core.tick();
  expect(core.counts().queued.batch).toBe(1);
});

it('cancels a member with more children than one call can take as arguments', () => {
  const core = new Core();
  const root = asToken<TaskId>('root');
  const member = asToken<TaskId>('member');
  const many = 150_000;
  core.isChecked = false;
  core.store(many, (sequence) =>
    sequence === 1 ? { id: member, hasOwnId: true, parent: root } : { parent: member },
  );
  const decisions = core.tick({ kind: 'cancel-requested', tenant: TENANT, task: root });
  const commits = decisions.filter((each) => each.kind === 'commit-result');
  // The root's own, and those of the first part.
  expect(commits.map(({ of }) => of.id)).toEqual(expect.arrayContaining([root, member]));
});

it('ends a task of one tenant while another’s end by the thousands', () => {
  const core = new Core();
  const nosuch = asToken<FunctionName>('nosuch');
  core.store(MANY, () => ({ function: nosuch }));
  const tenant = asToken<TenantId>('other');
  core.tick({ kind: 'task-stored', spec: specOf(MANY + 1, { tenant, function: nosuch }) });
  const answers = ['s1', 's2'].map((id) => ({
    kind: 'result-committed' as const,
    tenant: TENANT,
    task: asToken<TaskId>(id),
  }));
  const commits = core.tick(...answers).filter((each) => each.kind === 'commit-result');
  expect(commits.map(({ of }) => of.tenant)).toEqual([TENANT, tenant]);
});

it('looks ids of one tenant up while another one’s come by the thousands', () => {
  const core = new Core();
  const asked = (decisions: readonly KernelDecision[]) =>
    decisions.filter((each) => each.kind === 'look-up-result').map(({ spec }) => spec);
  const own = (sequence: number, tenant: TenantId): KernelEvent => {
    const id = asToken<TaskId>(`own-${sequence}`);
    return { kind: 'task-stored', spec: specOf(sequence, { tenant, id, hasOwnId: true }) };
  };
  const flood = Array.from({ length: 2 * maxOpenLookUps }, (_, at) => own(at + 1, TENANT));
  expect(asked(core.tick(...flood))).toHaveLength(maxOpenLookUps / 2);
  const tenant = asToken<TenantId>('other');
  expect(asked(core.tick(own(2 * maxOpenLookUps + 1, tenant)))).toEqual([]);
  const found = { isCommitted: false, attempts: 0, isApart: false };
  const answers = [1, 2].map((sequence) => ({
    kind: 'result-looked-up' as const,
    sequence,
    ...found,
  }));
  expect(asked(core.tick(...answers)).map((spec) => spec.tenant)).toEqual([TENANT, tenant]);
});

it('asks nothing of a task that was cancelled before its turn', () => {
  const core = new Core();
  const root = asToken<TaskId>('root');
  core.store(maxOpenLookUps, (sequence) => ({
    id: asToken<TaskId>(`own-${sequence}`),
    hasOwnId: true,
    root,
  }));
  core.commitsUntilQuiet({ kind: 'cancel-requested', tenant: TENANT, task: root });
  const answer = { isCommitted: false, attempts: 0, isApart: false } as const;
  const half = maxOpenLookUps / 2;
  const answers = Array.from({ length: half }, (_, at) => ({
    kind: 'result-looked-up' as const,
    sequence: at + 1,
    ...answer,
  }));
  const decisions = core.tick(...answers);
  expect(decisions.filter((each) => each.kind === 'look-up-result')).toEqual([]);
  expect(core.counts().tasks).toBe(0);
});

it('goes on cancelling for one tenant while another’s refusals wait by the thousands', () => {
  const core = new Core();
  const nosuch = asToken<FunctionName>('nosuch');
  const root = asToken<TaskId>('root');
  const tenant = asToken<TenantId>('other');
  core.tick({ kind: 'task-stored', spec: specOf(1, { tenant, id: root, hasOwnId: true }) });
  core.tick({ kind: 'task-stored', spec: specOf(2, { tenant, parent: root }) });
  const flood = Array.from({ length: 2 * maxWaitingCommits + maxOpenCommits }, (_, at) => ({
    kind: 'task-stored' as const,
    spec: specOf(at + 3, { function: nosuch }),
  }));
  core.tick(...flood);
  core.tick({ kind: 'cancel-requested', tenant, task: root });
  const answers = ['s3', 's4', 's5', 's6'].map((id) => ({
    kind: 'result-committed' as const,
    tenant: TENANT,
    task: asToken<TaskId>(id),
  }));
  const commits = core.tick(...answers).filter((each) => each.kind === 'commit-result');
  expect(commits.map(({ of }) => of.id)).toContain('s2');
});

it('ends tasks that are there while thousands of unknown ids are cancelled', () => {
  const core = new Core();
  const isCommit = (each: KernelDecision): each is Commit => each.kind === 'commit-result';
  const cancels = Array.from({ length: 2 * maxOpenCommits }, (_, at) => ({
    kind: 'cancel-requested' as const,
    tenant: TENANT,
    task: asToken<TaskId>(`unknown-${at}`),
  }));
  const early = core.tick(...cancels).filter(isCommit);
  expect(early).toHaveLength(CORE_LIMITS.maxEarlyCancelsPerTenant);
  const nosuch = asToken<FunctionName>('nosuch');
  const ends = core.tick({ kind: 'task-stored', spec: specOf(1, { function: nosuch }) });
  expect(ends.filter(isCommit).map(({ of }) => of.id)).toEqual(['s1']);
  // Those of another tenant have places, too; each answer gives one back, and no other's.
  const tenant = asToken<TenantId>('other');
  const task = asToken<TaskId>('unknown');
  const other: KernelEvent = { kind: 'cancel-requested', tenant, task };
  expect(core.tick(other).filter(isCommit)).toHaveLength(1);
  expect(core.tick(other).filter(isCommit)).toEqual([]);
  core.tick({ kind: 'result-committed', tenant, task });
  expect(core.tick(other).filter(isCommit)).toHaveLength(1);
});

it('lets deadlines that end together end in parts', () => {
  const core = new Core();
  core.store(MANY, () => ({ deadlineWallMs: WALL_MS + 1_000 }));
  core.pass(1_000);
  expectAllInParts(core.commitsUntilQuiet(), MANY);
  expect(core.counts().tasks).toBe(0);
});

it('asks the stores for no more ends than it may, and for urgent ones before the others', () => {
  const core = new Core();
  core.store(2 * maxOpenCommits, () => ({ class: 'batch' }));
  const asked: Commit[] = [];
  const note = (decisions: KernelDecision[]): void => {
    asked.push(...decisions.filter((each) => each.kind === 'commit-result'));
  };
  note(core.tick({ kind: 'models-changed', models: [] }));
  for (let tick = 0; tick < 5; tick += 1) note(core.tick());
  expect(asked).toHaveLength(maxOpenCommits / 2);
  // Nothing to do until the stores answer.
  expect(core.wakeMs()).toBeGreaterThan(0);
  const late = specOf(1_000_000, { class: 'interactive', model: { name: 'none' } });
  const urgent = core.tick({ kind: 'task-stored', spec: late });
  expect(urgent).toEqual([expect.objectContaining({ kind: 'commit-result', of: late })]);
});

it('releases what was held during the recovery in parts, the most urgent class first', () => {
  const core = new Core(MANY);
  const classOf = (sequence: number): TaskClass =>
    TASK_CLASSES[TASK_CLASSES.length - 1 - (sequence % TASK_CLASSES.length)] ?? 'batch';
  core.store(MANY, (sequence) => ({ class: classOf(sequence) }));
  core.tick(
    ...Array.from({ length: MANY }, (_, index) => ({
      kind: 'result-looked-up' as const,
      sequence: index + 1,
      isCommitted: false,
      attempts: 0,
      isApart: false,
    })),
  );
  expect(core.counts().queued).toEqual({ interactive: 0, standard: 0, batch: 0 });
  core.pass(1_000);
  core.tick();
  const { interactive, standard, batch } = core.counts().queued;
  expect(interactive + standard + batch).toBeLessThanOrEqual(maxSweptPerTick);
  expect(interactive).toBe(Math.min(MANY / TASK_CLASSES.length, maxSweptPerTick));
  expect(batch).toBe(0);
  expect(core.wakeMs()).toBe(0);
  for (let tick = 0; core.wakeMs() <= 0 && tick < 100; tick += 1) core.tick();
  const after = core.counts().queued;
  expect(after.interactive + after.standard + after.batch).toBe(MANY);
});
