/**
 * Gives every target the processes it needs: one where tasks wait, as many as spawn requests ask
 * for; stops what is too many; makes room by eviction. One load per target and missing process.
 *
 * What gets none is blocked until, because (`processes/target-blocks`), and its tasks wait for their
 * deadlines: *not now* ends nothing. *Never* does: the model is gone, no node is large enough, or
 * every node that fits has failed it for good.
 */
import type { ErrorBody, ProcessId, Target } from '@llmos/base';
import { assertNever, errorBody } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import { footprintBytesOf } from '../memory/footprint';
import { mayTake } from '../nodes/node';
import type { NodeView } from '../placement/node-view';
import { choosePlacement, type PlacementOutcome } from '../placement/placement';
import { isFailure, isServing, type Process } from '../processes/process';
import type { TargetBlock } from '../processes/target-blocks';
import { shorten } from '../tasks/task-outcomes';
import { isSpare } from './demand';
import type { Judged, TargetChange, Waiter } from './demand-index';
import { viewNodes } from './node-views';
import {
  announceProcess,
  factOf,
  armProcess,
  drainProcess,
  loadTimeoutAtMs,
  removeProcess,
  sendStart,
} from '../processes/process-life';
import { endTask } from '../tasks/task-end';

/** Takes in what has changed, and judges whom that concerns, the most urgent first. */
export function provision(state: KernelState): void {
  const { demand } = state;
  if (!state.catalog.isKnown) return;
  demand.wake(state.now.nowMs, state.recovery.kind === 'recovering');
  if (demand.hasEnding && state.commits.hasRoom) demand.resumeEnding();
  for (let left = CORE_LIMITS.maxJudgedPerTick; left > 0; left -= 1) {
    takeChanges(state);
    const waiter = demand.next(state, hasFreeRow(state));
    if (waiter === undefined) return;
    judge(state, waiter);
  }
}

/** Whether provisioning has something to do, whatever time it is. */
export function mustProvision(state: KernelState): boolean {
  if (!state.catalog.isKnown) return false;
  return state.demand.hasChanges || (state.demand.hasEnding && state.commits.hasRoom);
}

function takeChanges(state: KernelState): void {
  const { demand } = state;
  for (;;) {
    const changes = demand.takeTargetChanges();
    if (changes.length === 0) break;
    for (const [target, change] of changes) assess(state, target, change);
  }
  demand.takeRoomChanges(state);
}

/** Stops what is too many of it; notes whether it is short. */
function assess(state: KernelState, target: Target, change: TargetChange): void {
  const { demand, catalog, processes } = state;
  if (demand.isEnding(target)) return;
  const isTarget = catalog.isTarget(target);
  if (!isTarget) {
    failQueued(state, target, errorBody('NOT_FOUND', `model ${target} was removed`));
  }
  trim(state, target);
  // Whether they may be evicted follows from what their target needs.
  for (const { nodeId, deviceId } of processes.ofTarget(target)) {
    demand.rooms.noteDevice(nodeId, deviceId);
  }
  if (isTarget && isShort(state, target)) {
    demand.put(target, state.queue.headOf(target), change);
  } else if (demand.drop(target)) {
    state.blocks.delete(target);
  }
}

function neededProcesses(state: KernelState, target: Target): number {
  return Math.max(state.desired.of(target), state.queue.sizeOf(target) > 0 ? 1 : 0);
}

/** Whether it needs one more. */
export function isShort(state: KernelState, target: Target): boolean {
  const present = state.processes.ofTarget(target).filter((process) => {
    const current = process.state;
    // One that is stopped for failing is on its way: a second one would be no single flight.
    const isFailing = current.kind === 'draining' && isFailure(current.reason);
    return isServing(process) || isFailing;
  });
  return present.length < neededProcesses(state, target);
}

/** Drops rows that nobody needs to restart, replicas beyond a lowered number, removed models. */
function trim(state: KernelState, target: Target): void {
  const processes = state.processes.ofTarget(target);
  const { killGraceMs: graceMs } = state.config;
  for (const process of processes) {
    const current = process.state;
    // Also where its model is registered again: it may have another graph now.
    const hasFinished =
      current.kind === 'draining' && current.isFinishing && process.running.size === 0;
    if (hasFinished) drainProcess(state, process, { reason: current.reason, graceMs });
  }
  if (!state.catalog.isTarget(target)) {
    for (const process of processes) {
      drainProcess(state, process, { reason: 'model-removed', graceMs, finishesFirst: true });
    }
    return;
  }
  const needed = neededProcesses(state, target);
  let serving = processes.filter(isServing).length;
  for (const process of processes) {
    const current = process.state;
    if (current.kind !== 'backing-off') continue;
    if (serving >= needed) removeProcess(state, process, current.message);
    else serving += 1;
  }
}

/** Starts one of it; else notes what it waits for, and why. */
function judge(state: KernelState, waiter: Waiter): void {
  const subject = subjectOf(state, waiter);
  if (subject.row === undefined && !hasFreeRow(state)) {
    const message = `${CORE_LIMITS.maxProcesses} processes hold a row`;
    settle(state, subject, { kind: 'row' }, { because: 'processes', message });
    return;
  }
  const { bytes, isProgram: wantsCpu } = subject;
  apply(state, subject, choosePlacement({ bytes, wantsCpu }, viewFor(state, waiter)));
}

/** A target as it is judged. */
export interface Subject {
  readonly waiter: Waiter;
  /** A row to start again; else a new one is made. */
  readonly row: Process | undefined;
  readonly bytes: number;
  readonly isProgram: boolean;
}

export function subjectOf(state: KernelState, waiter: Waiter): Subject {
  const { target } = waiter;
  const registration = state.catalog.model(target);
  return {
    waiter,
    row: state.processes.ofTarget(target).find(({ state: { kind } }) => kind === 'backing-off'),
    bytes: footprintBytesOf(registration),
    isProgram: registration === undefined,
  };
}

function apply(state: KernelState, subject: Subject, outcome: PlacementOutcome): void {
  const { waiter, bytes } = subject;
  const { target } = waiter;
  switch (outcome.kind) {
    case 'placed':
      start(state, subject, outcome);
      return;
    case 'deferred': {
      const claim = state.demand.rooms.find(outcome.nodeId, outcome.deviceId);
      settle(state, subject, { kind: 'room', claim }, memoryBlock(bytes));
      evict(state, outcome.evict);
      return;
    }
    case 'blocked': {
      const block = memoryBlock(bytes, outcome.untilMs);
      settle(state, subject, { kind: 'room', claim: undefined }, block);
      return;
    }
    case 'infeasible': {
      const error = infeasibleError(target, bytes, outcome.largestUsableBytes);
      settle(state, subject, { kind: 'nodes' }, { because: 'too-large', message: error.message });
      if (canNeverStart(state, target, bytes)) failQueued(state, target, error);
      return;
    }
    case 'failing':
      settle(state, subject, { kind: 'nodes' }, failedBlock(state, target, outcome));
      return;
    case 'failed': {
      const block = failedBlock(state, target, outcome);
      settle(state, subject, { kind: 'nodes' }, block);
      const error = errorBody('FAILED_PRECONDITION', block.message);
      if (canNeverStart(state, target, bytes)) failQueued(state, target, error);
      return;
    }
    case 'no-nodes': {
      const message = 'no node that takes processes is attached';
      settle(state, subject, { kind: 'nodes' }, { because: 'no-nodes', message });
      return;
    }
    default:
      assertNever(outcome);
  }
}

function settle(
  state: KernelState,
  { waiter, bytes, isProgram }: Subject,
  waitsFor: Judged['waitsFor'],
  block: TargetBlock,
): void {
  const faults = state.faults.activeOf(waiter.target, state.now.nowMs);
  const wakeAtMs = Math.min(...faults.map(({ untilMs }) => untilMs));
  const hasFaults = faults.length > 0;
  state.demand.settle(waiter, { bytes, isProgram, hasFaults, waitsFor, wakeAtMs });
  state.blocks.set(waiter.target, block);
}

export function hasFreeRow(state: KernelState): boolean {
  return state.processes.size < CORE_LIMITS.maxProcesses;
}

/** What a more urgent target waits for must not be taken by the next one. */
export function viewFor(state: KernelState, waiter: Waiter): NodeView[] {
  const { demand } = state;
  const nodes = demand.rooms.all(state).map(({ nodeId, devices }) => ({
    nodeId,
    devices: devices.map((room) => ({
      ...room.view,
      isPromised: demand.isPromised(room, waiter),
    })),
  }));
  return viewNodes(state, waiter.target, nodes);
}

function memoryBlock(bytes: number, untilMs?: number): TargetBlock {
  const message = `${bytes} bytes are free on no node that fits`;
  return { because: 'memory', message, ...(untilMs === undefined ? {} : { untilMs }) };
}

/** The last reason of each node that failed it, as many as a message holds. */
function failedBlock(
  state: KernelState,
  target: Target,
  outcome: { readonly kind: 'failing' | 'failed'; readonly untilMs: number },
): TargetBlock {
  const faults = state.faults.activeOf(target, state.now.nowMs);
  const reasons = faults
    .slice(-CORE_LIMITS.maxListedNames)
    .map(({ nodeId, message }) => `node ${nodeId}: ${message}`);
  const message = shorten(`${target} can't be loaded; ${reasons.join('; ')}`);
  return { because: outcome.kind, message, untilMs: outcome.untilMs };
}

/**
 * Never, as far as is known: a node that fits may still be on its way back to a new leader, or from
 * a restart. The row of a lost node is kept for a while; until then it may come back.
 */
export function canNeverStart(state: KernelState, target: Target, bytes: number): boolean {
  if (state.recovery.kind !== 'over') return false;
  const { nowMs } = state.now;
  const isAway = state.nodes
    .all()
    .filter((node) => !mayTake(node))
    .filter(({ nodeId }) => state.faults.active(target, nodeId, nowMs)?.isPermanent !== true)
    .some(({ capabilities }) => capabilities.devices.some((of) => of.capacityBytes >= bytes));
  return !isAway;
}

type Placed = Extract<PlacementOutcome, { kind: 'placed' }>;

function start(state: KernelState, subject: Subject, { nodeId, deviceId }: Placed): void {
  const { waiter, row, bytes } = subject;
  const { target } = waiter;
  if (state.faults.active(target, nodeId, state.now.nowMs) !== undefined) {
    state.breaches.push(`K13: ${target} is started on ${nodeId}, which failed it`);
  }
  const pid = row?.pid ?? nextProcessId(state);
  if (!state.ledger.tryReserve({ pid, nodeId, deviceId, bytes })) {
    // The ledger and the view of its device agree on what is free.
    state.breaches.push(`K15: ${target} finds no room on ${nodeId}, where it was seen`);
    settle(state, subject, { kind: 'nodes' }, memoryBlock(bytes));
    return;
  }
  state.demand.starts(waiter);
  const starting = { kind: 'starting', giveUpAtMs: loadTimeoutAtMs(state) } as const;
  const place = { nodeId, deviceId, reservedBytes: bytes };
  const { nowMs } = state.now;
  const birth = { pid, target, incarnation: 1, state: starting, isReconciled: true, nowMs };
  const process = row ?? state.processes.add({ ...birth, ...place });
  if (row !== undefined) state.processes.restart(row, place, starting);
  armProcess(state, process);
  const given = { device: deviceId, reservedBytes: bytes };
  announceProcess(state, { kind: 'process-starting', ...factOf(process), ...given });
  sendStart(state, process);
}

function evict(state: KernelState, pids: readonly ProcessId[]): void {
  const { killGraceMs: graceMs } = state.config;
  for (const pid of pids) {
    const process = state.processes.get(pid);
    // Each one was spare by itself; after the first, the others may be needed.
    if (process !== undefined && isSpare(state, process)) {
      drainProcess(state, process, { reason: 'evicted', graceMs });
    }
  }
}

function nextProcessId(state: KernelState): ProcessId {
  state.lastProcessNumber += 1;
  return `p${state.epoch}-${state.lastProcessNumber}` as ProcessId;
}

/** The most urgent ones first; where they are very many, later ticks go on. */
function failQueued(state: KernelState, target: Target, error: ErrorBody): void {
  for (let ended = 0; ended < CORE_LIMITS.maxSweptPerTick && state.commits.hasRoom; ended += 1) {
    const task = state.queue.headOf(target);
    if (task === undefined) return;
    state.commits.ofMass(() => endTask(state, task, error));
  }
  if (state.queue.sizeOf(target) > 0) state.demand.end(target);
}

function infeasibleError(target: Target, bytes: number, largestBytes: number): ErrorBody {
  const message =
    `${target} needs ${bytes} bytes; the largest device offers ${largestBytes} ` +
    'after its headroom';
  return errorBody('FAILED_PRECONDITION', message, {
    details: { requiredBytes: bytes, largestUsableBytes: largestBytes },
  });
}
