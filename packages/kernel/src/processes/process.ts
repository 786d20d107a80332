/**
 * A row of the process table: one loaded model, or built-in program, on one node.
 *
 * The row keeps its id over restarts; `incarnation` counts them. A permit is the right to run one
 * more task: `running` holds the sequences that spent one (invariant K1).
 */
import type { NodeId, ProcessContexts, ProcessId, Target, TaskClass, TenantId } from '@llmos/base';
import { TASK_CLASSES, classRank } from '@llmos/base';
import { CORE_LIMITS } from '../limits';

export type DrainReason =
  | 'killed'
  | 'evicted'
  | 'idle'
  | 'scaled-down'
  | 'model-removed'
  | 'load-timeout'
  | 'silent'
  | 'refused'
  | 'refuses-leader';

/** Stopped for its own fault: it counts against the process, and its tasks lost an attempt. */
export function isFailure(reason: DrainReason): boolean {
  return reason === 'silent' || reason === 'load-timeout';
}

export type ProcessState =
  | { readonly kind: 'starting'; readonly giveUpAtMs: number }
  | { readonly kind: 'ready'; readonly sinceMs: number }
  /** Told to stop; the command is repeated until the node says that it exited. */
  | {
      readonly kind: 'draining';
      readonly reason: DrainReason;
      readonly graceMs: number;
      /** It is not told yet: what runs in it may end first. */
      readonly isFinishing: boolean;
      nextSendAtMs: number;
    }
  /** Holds nothing; its node takes it again from then on, any other one before. */
  | { readonly kind: 'backing-off'; readonly untilMs: number; readonly message: string };

/** It obeys another epoch than the leader's: it may not have heard of us yet. */
export interface Deafness {
  readonly epoch: number;
  readonly sinceMs: number;
  readonly beats: number;
}

export interface TenantAndClass {
  readonly tenant: TenantId;
  readonly class: TaskClass;
}

const NONE: Readonly<Record<TaskClass, number>> = { interactive: 0, standard: 0, batch: 0 };

/** How many of each class each tenant has; one that has none takes no memory. */
export class TenantCounts {
  private readonly counts = new Map<TenantId, Record<TaskClass, number>>();

  get tenants(): readonly TenantId[] {
    return [...this.counts.keys()];
  }

  of(tenant: TenantId): Readonly<Record<TaskClass, number>> {
    return this.counts.get(tenant) ?? NONE;
  }

  add(of: TenantAndClass): void {
    const counts = this.counts.get(of.tenant) ?? { ...NONE };
    counts[of.class] += 1;
    this.counts.set(of.tenant, counts);
  }

  remove(of: TenantAndClass): void {
    const counts = this.counts.get(of.tenant);
    if (counts === undefined) return;
    counts[of.class] -= 1;
    if (TASK_CLASSES.every((each) => counts[each] <= 0)) this.counts.delete(of.tenant);
  }
}

/** A row as others see it: what orders, memory and turns follow from is written by the table alone. */
export interface Process {
  readonly pid: ProcessId;
  readonly target: Target;
  /** Of the current incarnation, or the last one while backing off. */
  readonly nodeId: NodeId;
  readonly deviceId: string;
  readonly reservedBytes: number;
  readonly incarnation: number;
  readonly state: ProcessState;
  osPid: number | undefined;
  /** Where it says it runs: a node may fall back to another device than it was given. */
  runsOn: string | undefined;
  /** When it got ready. */
  footprintBytes: number;
  /** As its node said last, of one on the CPU. */
  residentBytes: number | undefined;
  /** Of a model that generates, as its node said last. */
  contexts: ProcessContexts | undefined;
  readonly permits: number;
  /** Sequences of the tasks that hold a permit. */
  readonly running: ReadonlySet<number>;
  /** How many of those are of each class. */
  readonly runningByClass: Readonly<Record<TaskClass, number>>;
  readonly runningByTenant: Pick<TenantCounts, 'tenants' | 'of'>;
  /** Attempts it runs that are not (or not yet) ours: name → number. They take room, too. */
  readonly foreign: ReadonlyMap<string, number>;
  /** Attempts whose end we know, until a heartbeat no longer names them. */
  readonly settled: Map<string, number>;
  /** False for one that an earlier leader started, until its first heartbeat to us. */
  readonly isReconciled: boolean;
  nextGreetAtMs: number;
  lastHeardMs: number;
  /** Whose commands it obeys, while that is another epoch than ours. */
  deaf: Deafness | undefined;
  /** Commands that it has refused because no leader had their epoch, as it said last. */
  foreignCount: number;
  /** Since when nothing runs in it; undefined while something does. */
  readonly idleSinceMs: number | undefined;
}

export interface ProcessBirth {
  readonly pid: ProcessId;
  readonly target: Target;
  readonly nodeId: NodeId;
  readonly deviceId: string;
  readonly reservedBytes: number;
  readonly incarnation: number;
  readonly state: ProcessState;
  readonly isReconciled: boolean;
  readonly nowMs: number;
}

/** How many more tasks it may get now. */
export function freePermits(process: Process): number {
  if (process.state.kind !== 'ready' || !process.isReconciled) return 0;
  return Math.max(0, process.permits - process.running.size - process.foreign.size);
}

/**
 * How many more such tasks it may get now. Each class leaves a share of the permits to those above
 * it, and each tenant one to the others: else work that takes long had all of them when an urgent
 * task comes, or someone else's.
 */
export function freePermitsFor(process: Process, of: TenantAndClass): number {
  const most = permitsFor(process, of.class);
  const left = most - countUpTo(of.class, process.runningByClass);
  const own = countUpTo(of.class, process.runningByTenant.of(of.tenant));
  const ownLeft = most - keptForOthers(process) - own;
  return Math.max(0, Math.min(freePermits(process), left, ownLeft));
}

/** Of this class and those below. */
function countUpTo(taskClass: TaskClass, counts: Readonly<Record<TaskClass, number>>): number {
  let sum = 0;
  for (const each of TASK_CLASSES) {
    if (classRank(each) >= classRank(taskClass)) sum += counts[each];
  }
  return sum;
}

/** What a tenant leaves to all others; of few permits nothing, for nobody else may come. */
function keptForOthers({ permits }: Process): number {
  const { leastTenantPermits, tenantKeptShare } = CORE_LIMITS;
  return permits < leastTenantPermits ? 0 : Math.ceil(permits * tenantKeptShare);
}

/** How many tasks of a class may be in it at once. */
export function permitsFor({ permits }: Process, taskClass: TaskClass): number {
  return permits - keptPermits(permits, taskClass);
}

/** What a class leaves to those above it; of few permits nothing, for each of them counts. */
function keptPermits(permits: number, taskClass: TaskClass): number {
  const { leastSharedPermits, standardKeptShare, batchKeptShare } = CORE_LIMITS;
  if (permits < leastSharedPermits || taskClass === 'interactive') return 0;
  return Math.ceil(permits * (taskClass === 'batch' ? batchKeptShare : standardKeptShare));
}

/** Holds memory on its device. */
export function isPlaced(process: Process): boolean {
  return process.state.kind !== 'backing-off';
}

/** Serves its target, or will soon. */
export function isServing(process: Process): boolean {
  return process.state.kind === 'starting' || process.state.kind === 'ready';
}
