/** The pure core: tables changed by events, decisions made by ticks (see kernel-core.ts). */
import type { Instant, NodeRow, ProcessRow, TaskId, TaskStatus, TenantId } from '@llmos/base';
import { assertNever } from '@llmos/base';
import { applyEvent } from './apply-event';
import { resolveCoreOptions, type CoreOptions } from './core-options';
import type { CoreCounts, KernelCore } from './kernel-core';
import { findViolations } from './kernel-invariants';
import { createKernelState, type KernelState } from './kernel-state';
import type { Node } from './nodes/node';
import { processRow } from './processes/process-row';
import { identityOf } from './tasks/task-spec';
import { nextTickMs, planTick } from './scheduling/plan-tick';

export function createKernelCore(options: CoreOptions = {}): KernelCore {
  const state = createKernelState(resolveCoreOptions(options));
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
    statusOf: (tenant, task) => statusOf(state, tenant, task),
    identityOf: (tenant, task) => {
      const live = state.tasks.find(tenant, task);
      return live === undefined ? undefined : identityOf(live.spec);
    },
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
    ...(node.clockOffsetMs === undefined ? {} : { clockOffsetMs: node.clockOffsetMs }),
    isDraining: false,
    processes: state.processes
      .all()
      .filter(({ nodeId, state: { kind } }) => nodeId === node.nodeId && kind !== 'backing-off')
      .length,
  };
}

function statusOf(state: KernelState, tenant: TenantId, id: TaskId): TaskStatus {
  const task = state.tasks.find(tenant, id);
  if (task === undefined) return { state: 'unknown' };
  const common = { class: task.spec.class, function: task.spec.function };
  // Attempts begun: the number counts the next one while none runs.
  const begun = task.attempt - 1;
  const { kind } = task.state;
  switch (kind) {
    case 'looking-up':
    case 'unrouted':
    case 'blocked':
    case 'held':
    case 'queued':
      return { ...common, state: 'queued', attempts: begun };
    case 'running':
      return { ...common, state: 'running', attempts: task.attempt, pid: task.state.place.pid };
    case 'backing-off':
      return { ...common, state: 'retrying', attempts: begun };
    case 'dead-lettering':
    case 'committing':
    case 'settling':
      return { ...common, state: 'finishing', attempts: task.attempt };
    default:
      return assertNever(kind);
  }
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
    processes: state.processes.size,
    nodes: state.nodes.all().filter((node) => node.state.kind !== 'lost').length,
    progress: state.progress,
    isRecovering: state.recovery.kind === 'recovering',
    reconciled: { ...state.reconciled },
  };
}
