/**
 * The real core with an eye on it: its invariants are checked after its steps, its decisions are
 * judged by what the world knows, and the work that events cause is counted.
 */
import type { Instant } from '@llmos/base';
import {
  createKernelCore,
  type KernelCore,
  type KernelDecision,
  type KernelEvent,
  type TaskSpec,
} from '@llmos/kernel/testing';
import { hasResult } from '../judgement';
import type { TableWork } from '../table-work';
import { nameOf, type World } from '../world';

/** What a core did, for the bounds on it. */
export interface CoreWork {
  events: number;
  plans: number;
  decisions: number;
  /** See TableWork; of all events and plans, and the most of one. 0 where they are not counted. */
  tableSteps: number;
  mostTableSteps: number;
}

export interface CheckedCoreParts {
  readonly world: World;
  readonly epoch: number;
  readonly canLoad: (nodeId: string, target: string) => boolean;
  /** Checking everything costs as much as all else: once in so many steps. */
  readonly checkEvery: number;
  readonly work: CoreWork;
  readonly tables?: TableWork;
}

export interface CheckedCore {
  readonly core: KernelCore;
  /** This leader has acknowledged the task: it knows that it has ended. */
  noteAcknowledged(name: string): void;
}

export function createCheckedCore(parts: CheckedCoreParts): CheckedCore {
  const inner = createKernelCore({ loadTimeoutMs: 20_000, processSilenceMs: 15_000 });
  const eye = new CoreEye(parts, inner);
  const core: KernelCore = {
    ...inner,
    apply: (event, now) => {
      eye.beforeApply(event);
      eye.counted(() => inner.apply(event, now));
      eye.check(event.kind);
    },
    plan: (now) => {
      const decisions = eye.counted(() => inner.plan(now));
      eye.afterPlan(decisions, now);
      return decisions;
    },
  };
  return { core, noteAcknowledged: (name) => void eye.ended.add(name) };
}

class CoreEye {
  /** Names of the tasks that ended under this leader. */
  readonly ended = new Set<string>();
  /** Sequences whose result was there when they came in: they must never run again. */
  private readonly endedBefore = new Set<number>();
  private recoverUpToSequence = 0;
  private steps = 0;

  constructor(
    private readonly parts: CheckedCoreParts,
    private readonly inner: KernelCore,
  ) {}

  beforeApply(event: KernelEvent): void {
    const { world, epoch, work } = this.parts;
    world.log(() => `k${epoch} ◄ ${describe(event)}`);
    work.events += 1;
    if (event.kind === 'leadership-began') this.recoverUpToSequence = event.recoverUpToSequence;
    if (event.kind === 'task-stored') this.noteIntake(event.spec);
  }

  counted<T>(run: () => T): T {
    const { tables, work } = this.parts;
    if (tables === undefined) return run();
    const before = tables.steps;
    tables.isCounting = true;
    const value = run();
    tables.isCounting = false;
    work.tableSteps += tables.steps - before;
    work.mostTableSteps = Math.max(work.mostTableSteps, tables.steps - before);
    return value;
  }

  check(after: string): void {
    this.steps += 1;
    if (this.steps % this.parts.checkEvery !== 0) return;
    const violations = this.inner.violations();
    if (violations.length === 0) return;
    const { world, epoch } = this.parts;
    world.report(`k${epoch} after ${after}: ${violations.slice(0, 3).join('; ')}`);
  }

  afterPlan(decisions: readonly KernelDecision[], now: Instant): void {
    const { world, epoch, work } = this.parts;
    work.plans += 1;
    work.decisions += decisions.length;
    this.check('plan');
    for (const decision of decisions) {
      if (decision.kind === 'announce') continue;
      world.log(() => `k${epoch} ► ${describe(decision)}`);
      this.judge(decision, now);
    }
  }

  private noteIntake(spec: TaskSpec): void {
    // A client may say wrongly that its id is new, and a replaced leader may have ended one that
    // never reached it, for a cancel: nobody asks about either.
    const isBelieved = spec.isIdNew === true || !spec.hasOwnId;
    const isNew = isBelieved && spec.sequence > this.recoverUpToSequence;
    const mustKnow = !isNew || this.ended.has(nameOf(spec));
    if (mustKnow && hasResult(this.parts.world, spec)) this.endedBefore.add(spec.sequence);
  }

  private judge(decision: KernelDecision, now: Instant): void {
    const { world, epoch } = this.parts;
    if (decision.kind === 'execute') {
      const { spec, attempt, deadlineWallMs } = decision;
      world.noteSent(epoch, { tenant: spec.tenant, task: spec.id, attempt });
      if (now.wallMs > deadlineWallMs) world.report(`${spec.id} was sent after its deadline`);
      if (this.endedBefore.has(spec.sequence)) {
        world.report(`${spec.id} runs again although its result is there`);
      }
    } else if (decision.kind === 'cancel-attempt') {
      world.noteStopped(epoch, decision.attempt);
    } else if (decision.kind === 'commit-result') {
      this.judgeEnd(decision, now);
    }
  }

  /** Not now is not never: a load that fails ends what waits for it only where no node is left. */
  private judgeEnd(of: Extract<KernelDecision, { kind: 'commit-result' }>, now: Instant): void {
    if (of.result.ok) return;
    const { world, canLoad } = this.parts;
    const { code, message } = of.result.error;
    const [target = ''] = message.split(" can't be loaded");
    const isFailed = code === 'FAILED_PRECONDITION' && target !== message;
    const nodes = isFailed ? this.inner.nodes(now) : [];
    if (nodes.some(({ node }) => canLoad(node, target))) {
      world.report(`${nameOf(of.of)} ended although a node can load it: ${message}`);
    }
    if (code === 'UNAVAILABLE' && !world.deadLetters.has(nameOf(of.of))) {
      world.report(`${nameOf(of.of)} ended without its attempts: ${message}`);
    }
  }
}

function describe(thing: KernelEvent | KernelDecision): string {
  const text = JSON.stringify(thing, (key, value: unknown) =>
    key === 'spec' ? shortSpec(value) : key === 'capabilities' ? undefined : value,
  );
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}

function shortSpec(value: unknown): string {
  const spec = value as { id: string; sequence: number; function: string };
  return `${spec.id}#${spec.sequence} ${spec.function}`;
}
