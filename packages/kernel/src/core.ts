/**
 * The pure core: a deterministic state machine, `(state, event, now) → decisions`.
 *
 * No clock, no randomness, no I/O, no promises. The control loop drives it in production, the
 * simulator in tests. A core lives for one epoch.
 */
import type {
  AttemptCost,
  BlockedModel,
  ErrorBody,
  Instant,
  NodeFault,
  NodeRow,
  ProcessRow,
  TaskClass,
  TaskId,
  TaskIdentity,
  TaskStatus,
  TenantId,
} from '@llmos/base';
import { compareIds } from '@llmos/base';
import { applyEvent } from './apply-event';
import { resolveCoreOptions, type CoreOptions } from './core-options';
import type { KernelDecision } from './kernel-decision';
import type { KernelEvent } from './kernel-event';
import { findViolations } from './kernel-invariants';
import { createKernelState, type KernelState } from './kernel-state';
import { CORE_LIMITS } from './limits';
import type { Node } from './nodes/node';
import { processRow } from './processes/process-row';
import type { BoundTasks } from './tasks/caller-table';
import { refusalOf, taskRoom } from './tasks/admission';
import { identityOf } from './tasks/task-spec';
import { modelLoads, type ModelLoad } from './scheduling/model-loads';
import type { QueuePolicy } from './scheduling/queue-policy';
import { nextTickMs, planTick } from './scheduling/plan-tick';
import { isShort } from './scheduling/provisioning';
import { blockOf, statusOf } from './tasks/task-status';

/** Counts for `info`, health and metrics. */
export interface CoreCounts {
  readonly queued: Readonly<Record<TaskClass, number>>;
  /** Of the queued ones, those whose model failed wherever it was tried; no standstill of ours. */
  readonly blocked: number;
  readonly running: number;
  /** Tasks of every state that the core holds. */
  readonly tasks: number;
  /** What these take in the heap, about, with the messages that are held for them. */
  readonly heldBytes: number;
  readonly processes: number;
  readonly nodes: number;
  /** Rises with every accepted, finished, started or loaded thing; readiness means progress. */
  readonly progress: number;
  readonly isRecovering: boolean;
  /** Callers that tasks are bound to. */
  readonly callers: number;
  /** Tasks cancelled because their caller was gone. */
  readonly callerGone: number;
  /** Attempts that a heartbeat missed and were sent again; those it named and were refused. */
  readonly reconciled: { readonly resent: number; readonly refused: number };
  /** Commands that processes refused because no leader had their epoch. */
  readonly foreignMessages: number;
  /** What attempts cost under this leader, by tenant. */
  readonly costs: ReadonlyMap<string, AttemptCost>;
}

export interface KernelCore {
  /** Takes one fact in. Cheap; planning waits for `plan`. */
  apply(event: KernelEvent, now: Instant): void;
  /** One tick: expiries, reconciliation, scheduling. Returns what to do, in order. */
  plan(now: Instant): KernelDecision[];
  /** When `plan` must run again even if no event comes; undefined: never. */
  nextWakeMs(): number | undefined;
  /** Every violated invariant, by name; empty in a sound core (K1, K2, …). */
  violations(): string[];
  // Views for system calls.
  processes(now: Instant): ProcessRow[];
  nodes(now: Instant): NodeRow[];
  /** Models that tasks or spawn requests wait for in vain, most waiting first; bounded. */
  blocked(now: Instant): BlockedModel[];
  /** What waits for each model and runs in it; bounded. */
  models(): ModelLoad[];
  statusOf(tenant: TenantId, task: TaskId): TaskStatus;
  /** What the id of a live task stands for, where the client chose it. */
  identityOf(tenant: TenantId, task: TaskId): TaskIdentity | undefined;
  /** The live tasks that are bound to callers. */
  boundTasks(): BoundTasks;
  /** How many tasks a tenant may have, and how many more. */
  taskRoom(tenant: TenantId): { readonly limit: number; readonly remaining: number };
  /** Why it may not have one more, with a body of this size. */
  refusalOf(tenant: TenantId, bodyBytes: number): ErrorBody | undefined;
  counts(): CoreCounts;
}

/** @param policy in whose order tasks go; its own, and new. */
export function createKernelCore(options: CoreOptions = {}, policy?: QueuePolicy): KernelCore {
  const state = createKernelState(resolveCoreOptions(options), policy);
  return {
    apply: (event, now) => {
      state.now = now;
      applyEvent(state, event);
    },
    plan: (now) => {
      state.now = now;
      return planTick(state);
    },
    nextWakeMs: () => nextTickMs(state),
    violations: () => findViolations(state),
    processes: (now) => listProcesses(state, now),
    nodes: (now) => state.nodes.all().map((node) => nodeRow(state, node, now)),
    blocked: (now) => listBlocked(state, now),
    models: () => modelLoads(state),
    statusOf: (tenant, task) => statusOf(state, tenant, task),
    identityOf: (tenant, task) => {
      const live = state.tasks.find(tenant, task);
      return live === undefined ? undefined : identityOf(live.spec);
    },
    boundTasks: () => state.callers.all(),
    taskRoom: (tenant) => taskRoom(state, tenant),
    refusalOf: (tenant, bodyBytes) => refusalOf(state, tenant, bodyBytes),
    counts: () => count(state),
  };
}

function listProcesses(state: KernelState, now: Instant): ProcessRow[] {
  const rows = state.processes
    .all()
    .map((process) => processRow(process, state.queue.sizeOf(process.target)));
  return [...rows, ...state.processes.exitedRows(now.nowMs)];
}

function nodeRow(state: KernelState, node: Node, now: Instant): NodeRow {
  const { capabilities } = node;
  const faults = listFaults(state, node, now);
  return {
    node: node.nodeId,
    state: node.state.kind,
    cores: capabilities.cores,
    memoryBytes: capabilities.memoryBytes,
    devices: capabilities.devices.map(({ id, provider, name, capacityBytes }) => {
      const balance = state.ledger.balance(node.nodeId, id);
      const reservedBytes = balance?.reservedBytes ?? 0;
      const committedBytes = balance?.committedBytes ?? 0;
      return { id, provider, name, capacityBytes, reservedBytes, committedBytes };
    }),
    providers: capabilities.providers,
    versions: capabilities.versions,
    labels: capabilities.labels,
    leaseMs: Math.max(0, Math.round(node.lastHeardMs + state.config.nodeLeaseMs - now.nowMs)),
    ...(faults.length === 0 ? {} : { faults }),
    ...(node.clockOffsetMs === undefined ? {} : { clockOffsetMs: node.clockOffsetMs }),
    processes: state.processes.countOn(node.nodeId),
  };
}

function listFaults(state: KernelState, { nodeId }: Node, { nowMs }: Instant): NodeFault[] {
  return state.faults
    .activeOn(nodeId, nowMs)
    .slice(-CORE_LIMITS.maxFaultRows)
    .map(({ target: model, failures, isPermanent, message, untilMs }) => {
      const retryInMs = Math.max(0, Math.round(untilMs - nowMs));
      return { model, failures, isPermanent, message, retryInMs };
    });
}

/** Those that are short now: since provisioning looked, tasks may have ended. */
function listBlocked(state: KernelState, { nowMs }: Instant): BlockedModel[] {
  return [...state.blocks.all()]
    .filter(([target]) => isShort(state, target))
    .map(([model, block]) => ({
      model,
      queued: state.queue.sizeOf(model),
      ...blockOf(block, nowMs),
    }))
    .sort((a, b) => b.queued - a.queued || compareIds(a.model, b.model))
    .slice(0, CORE_LIMITS.maxBlockedRows);
}

function countBlocked(state: KernelState): number {
  let count = 0;
  for (const [target, { because }] of state.blocks.all()) {
    if (because === 'failing' || because === 'failed') count += state.queue.sizeOf(target);
  }
  return count;
}

function count(state: KernelState): CoreCounts {
  return {
    queued: state.queue.countsByClass(),
    blocked: countBlocked(state),
    running: state.runningCount,
    tasks: state.tasks.size,
    heldBytes: state.tasks.weightBytes,
    processes: state.processes.size,
    nodes: state.nodes.all().filter((node) => node.state.kind !== 'lost').length,
    progress: state.progress,
    callers: state.callers.size,
    callerGone: state.callerGoneCount,
    costs: state.costs.byTenant,
    isRecovering: state.recovery.kind === 'recovering',
    reconciled: { ...state.reconciled },
    foreignMessages: state.foreignMessages,
  };
}
