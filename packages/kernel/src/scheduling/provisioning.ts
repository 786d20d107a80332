/**
 * Gives every target the processes it needs: one where tasks wait, as many as spawn requests ask
 * for; stops what is too many; makes room by eviction. One load per target and missing process.
 *
 * What gets none is blocked until, because (`processes/target-blocks`), and its tasks wait for their
 * deadlines: *not now* ends nothing. *Never* does: the model is gone, no node is large enough, or
 * every node that fits has failed it for good.
 */
import type { ErrorBody, ProcessId } from '@llmos/base';
import { assertNever, errorBody } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import { footprintBytesOf } from '../memory/footprint';
import { choosePlacement, type PlacementOutcome } from '../placement/placement';
import { createProcess, isFailure, isServing, type Process } from '../processes/process';
import type { TargetBlock } from '../processes/target-blocks';
import { shorten } from '../tasks/task-outcomes';
import { isSpare } from './demand';
import { mayTake, viewNodes } from './node-views';
import {
  announceProcess,
  drainProcess,
  loadTimeoutAtMs,
  removeProcess,
  sendStart,
  setState,
} from '../processes/process-life';
import { endTask } from '../tasks/task-end';

export function provision(state: KernelState): void {
  if (!state.needsProvisioning || !state.catalog.isKnown) return;
  state.needsProvisioning = false;
  failRemoved(state);
  for (const target of state.processes.targets()) trim(state, target);
  // What a more urgent target waits for must not be taken by the next one.
  const promised = new Set<string>();
  const blocks = new Map<string, TargetBlock>();
  for (const target of wantedTargets(state)) {
    while (isShort(state, target)) {
      const block = tryStart(state, target, promised);
      if (block === undefined) continue;
      blocks.set(target, block);
      break;
    }
  }
  state.blocks.replaceAll(blocks);
}

/** Ends the tasks of targets that are gone. */
function failRemoved(state: KernelState): void {
  for (const target of state.queue.targets()) {
    if (!state.catalog.isTarget(target)) {
      failQueued(state, target, errorBody('NOT_FOUND', `model ${target} was removed`));
    }
  }
}

/** Most urgent work first, then what spawn requests ask for. */
function wantedTargets(state: KernelState): string[] {
  // The tasks of a removed model end over several ticks: nothing is started for them meanwhile.
  const waiting = state.queue.targets().filter((target) => state.catalog.isTarget(target));
  const urgent = state.queue.byUrgency(waiting);
  return [...new Set([...urgent, ...state.desired.targets()])];
}

function neededProcesses(state: KernelState, target: string): number {
  return Math.max(state.desired.of(target), state.queue.sizeOf(target) > 0 ? 1 : 0);
}

/** Whether it needs one more. */
export function isShort(state: KernelState, target: string): boolean {
  const present = state.processes.ofTarget(target).filter((process) => {
    const current = process.state;
    // One that is stopped for failing is on its way: a second one would be no single flight.
    const isFailing = current.kind === 'draining' && isFailure(current.reason);
    return isServing(process) || isFailing;
  });
  return present.length < neededProcesses(state, target);
}

/** Drops rows that nobody needs to restart, replicas beyond a lowered number, removed models. */
function trim(state: KernelState, target: string): void {
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

/** @returns undefined where one was started; else why none can be, now. */
function tryStart(
  state: KernelState,
  target: string,
  promised: Set<string>,
): TargetBlock | undefined {
  const waiting = state.processes
    .ofTarget(target)
    .find((process) => process.state.kind === 'backing-off');
  if (waiting === undefined && state.processes.size >= CORE_LIMITS.maxProcesses) {
    return { because: 'processes', message: `${CORE_LIMITS.maxProcesses} processes hold a row` };
  }
  const registration = state.catalog.model(target);
  const bytes = footprintBytesOf(registration);
  const wantsCpu = registration === undefined;
  const outcome = choosePlacement({ bytes, wantsCpu }, viewNodes(state, target, promised));
  switch (outcome.kind) {
    case 'placed':
      return start(state, { target, bytes, waiting, place: outcome });
    case 'deferred':
      evict(state, outcome.evict);
      promised.add(`${outcome.nodeId}/${outcome.deviceId}`);
      return memoryBlock(bytes);
    case 'blocked':
      return memoryBlock(bytes, outcome.untilMs);
    case 'infeasible': {
      const error = infeasibleError(target, bytes, outcome.largestUsableBytes);
      if (canNeverStart(state, target, bytes)) failQueued(state, target, error);
      return { because: 'too-large', message: error.message };
    }
    case 'failing':
      return failedBlock(state, target, outcome);
    case 'failed': {
      const block = failedBlock(state, target, outcome);
      const error = errorBody('FAILED_PRECONDITION', block.message);
      if (canNeverStart(state, target, bytes)) failQueued(state, target, error);
      return block;
    }
    case 'no-nodes':
      return { because: 'no-nodes', message: 'no node that takes processes is attached' };
    default:
      return assertNever(outcome);
  }
}

function memoryBlock(bytes: number, untilMs?: number): TargetBlock {
  const message = `${bytes} bytes are free on no node that fits`;
  return { because: 'memory', message, ...(untilMs === undefined ? {} : { untilMs }) };
}

/** The last reason of each node that failed it, as many as a message holds. */
function failedBlock(
  state: KernelState,
  target: string,
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
function canNeverStart(state: KernelState, target: string, bytes: number): boolean {
  if (state.recovery.kind !== 'over') return false;
  const { nowMs } = state.now;
  const isAway = state.nodes
    .all()
    .filter((node) => !mayTake(node))
    .filter(({ nodeId }) => state.faults.active(target, nodeId, nowMs)?.isPermanent !== true)
    .some(({ capabilities }) => capabilities.devices.some((of) => of.capacityBytes >= bytes));
  return !isAway;
}

interface Start {
  readonly target: string;
  readonly bytes: number;
  /** A row to start again; else a new one is made. */
  readonly waiting: Process | undefined;
  readonly place: Extract<PlacementOutcome, { kind: 'placed' }>;
}

function start(state: KernelState, of: Start): TargetBlock | undefined {
  const { nodeId, deviceId } = of.place;
  if (state.faults.active(of.target, nodeId, state.now.nowMs) !== undefined) {
    state.breaches.push(`K13: ${of.target} is started on ${nodeId}, which failed it`);
  }
  const pid = of.waiting?.pid ?? nextProcessId(state);
  if (!state.ledger.tryReserve({ pid, nodeId, deviceId, bytes: of.bytes })) {
    return memoryBlock(of.bytes);
  }
  const starting = { kind: 'starting', giveUpAtMs: loadTimeoutAtMs(state) } as const;
  const process =
    of.waiting ??
    createProcess({
      pid,
      target: of.target,
      nodeId,
      deviceId,
      reservedBytes: of.bytes,
      incarnation: 0,
      state: starting,
      isReconciled: true,
      nowMs: state.now.nowMs,
    });
  if (of.waiting === undefined) state.processes.add(process);
  process.nodeId = nodeId;
  process.deviceId = deviceId;
  process.reservedBytes = of.bytes;
  process.incarnation += 1;
  process.osPid = undefined;
  process.runsOn = undefined;
  process.isReconciled = true;
  setState(state, process, starting);
  announceProcess(state, process, 'starting', { device: deviceId, reservedBytes: of.bytes });
  sendStart(state, process);
  return undefined;
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
function failQueued(state: KernelState, target: string, error: ErrorBody): void {
  for (let ended = 0; ended < CORE_LIMITS.maxSweptPerTick && state.commits.hasRoom; ended += 1) {
    const task = state.queue.headOf(target);
    if (task === undefined) return;
    state.commits.ofMass(() => endTask(state, task, error));
  }
  if (state.queue.sizeOf(target) > 0) state.endsWait = true;
}

function infeasibleError(target: string, bytes: number, largestBytes: number): ErrorBody {
  const message =
    `${target} needs ${bytes} bytes; the largest device offers ${largestBytes} ` +
    'after its headroom';
  return errorBody('FAILED_PRECONDITION', message, {
    details: { requiredBytes: bytes, largestUsableBytes: largestBytes },
  });
}
