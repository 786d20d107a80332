/** The pure core: tables changed by events, decisions made by ticks (see kernel-core.ts). */
import type { BlockedModel, Instant, NodeFault, NodeRow, ProcessRow } from '@llmos/base';
import { compareIds } from '@llmos/base';
import { applyEvent } from './apply-event';
import { resolveCoreOptions, type CoreOptions } from './core-options';
import type { CoreCounts, KernelCore } from './kernel-core';
import { findViolations } from './kernel-invariants';
import { createKernelState, type KernelState } from './kernel-state';
import { CORE_LIMITS } from './limits';
import type { Node } from './nodes/node';
import { processRow } from './processes/process-row';
import { refusalOf, taskRoom } from './scheduling/admission';
import { identityOf } from './tasks/task-spec';
import { modelLoads } from './scheduling/model-loads';
import { nextTickMs, planTick } from './scheduling/plan-tick';
import { isShort } from './scheduling/provisioning';
import { blockOf, statusOf } from './scheduling/task-status';

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
    isDraining: false,
    processes: state.processes
      .all()
      .filter(({ nodeId, state: { kind } }) => nodeId === node.nodeId && kind !== 'backing-off')
      .length,
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
