/** Nodes come, fall silent and go; what they report of their processes is taken in here. */
import type { NodeId, ProcessContexts, ProcessId, ReportedProcess } from '@llmos/base';
import { assertNever } from '@llmos/base';
import type { KernelEvent } from '../kernel-event';
import type { NodeFact } from '../kernel-fact';
import { emit, type KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import { nextJudgementMs } from './failure-detector';
import type { Node } from './node';
import type { Process } from '../processes/process';
import {
  applyReport,
  armProcess,
  loadTimeoutAtMs,
  loseProcess,
  sendStart,
  sendStop,
} from '../processes/process-life';

type Attached = Extract<KernelEvent, { kind: 'node-attached' }>;
type NodeBeat = Extract<KernelEvent, { kind: 'node-heartbeat' }>;

export function attachNode(state: KernelState, event: Attached): void {
  const { nodeId, session } = event;
  const before = state.nodes.get(nodeId);
  if (before?.session === session && before.state.kind === 'lost') {
    const left = event.processes.filter(({ report }) => report.kind !== 'exited');
    if (left.length > 0) {
      // Its memory is promised to nobody before what it still runs has stopped.
      state.nodes.comeBack(nodeId, left, state.now.nowMs);
      announceNode(state, { kind: 'node-attached', id: nodeId, session });
      tryRevive(state, before);
      return;
    }
  }
  const goesOn = before?.session === session && before.state.kind !== 'lost';
  if (!goesOn) {
    loseNodeProcesses(state, nodeId, `node ${nodeId} started anew`);
    state.faults.clearNode(nodeId);
  }
  const node = state.nodes.attach(event, state.now.nowMs);
  if (node === 'full') {
    announceNode(state, { kind: 'node-refused', id: nodeId, limit: CORE_LIMITS.maxNodes });
    return;
  }
  if (!goesOn) state.ledger.setDevices(nodeId, node.capabilities.devices);
  armNode(state, node);
  if (state.recovery.kind === 'recovering') {
    state.recovery = { ...state.recovery, lastAttachMs: state.now.nowMs };
  }
  announceNode(state, { kind: 'node-attached', id: nodeId, session });
  missUnreported(state, nodeId, event.processes);
  for (const reported of event.processes) applyProcessChange(state, nodeId, reported);
}

export function detachNode(state: KernelState, nodeId: NodeId, session: string): void {
  state.nodes.detach(nodeId, session);
  judgeNode(state, nodeId);
}

export function hearNode(state: KernelState, event: NodeBeat): void {
  const { nodeId, freeMemoryBytes, clockOffsetMs } = event;
  state.nodes.noteClock(nodeId, clockOffsetMs);
  state.nodes.hear(nodeId, freeMemoryBytes, state.now.nowMs);
  const node = state.nodes.get(nodeId);
  if (node === undefined) return;
  if (node.state.kind === 'lost') tryRevive(state, node);
  else armNode(state, node);
}

/** What a process holds beyond what it took to get ready is its memory too. */
export function applyMemory(
  state: KernelState,
  nodeId: NodeId,
  beat: Pick<Extract<KernelEvent, { kind: 'node-heartbeat' }>, 'contexts' | 'memory'>,
): void {
  const changed = new Set<Process>();
  const find = (of: { readonly pid: ProcessId; readonly incarnation: number }) => {
    const process = state.processes.get(of.pid);
    const isMeant = process?.nodeId === nodeId && process.incarnation === of.incarnation;
    if (isMeant) changed.add(process);
    return isMeant ? process : undefined;
  };
  for (const of of beat.contexts ?? []) {
    const process = find(of);
    if (process !== undefined) process.contexts = of.contexts;
  }
  for (const of of beat.memory ?? []) {
    const process = find(of);
    if (process?.state.kind === 'ready') process.residentBytes = of.residentBytes;
  }
  for (const process of changed) {
    const told = process.contexts === undefined ? 0 : contextBytes(process, process.contexts);
    const grownBytes = Math.max(told, measuredGrowth(process));
    state.ledger.measure(process.pid, process.footprintBytes + grownBytes);
  }
}

/** In steps: what every program takes and gives from second to second must not move the ledger. */
function measuredGrowth(process: Process): number {
  const grownBytes = (process.residentBytes ?? 0) - process.footprintBytes;
  const { growthStepBytes } = CORE_LIMITS;
  return Math.max(0, Math.floor(grownBytes / growthStepBytes) * growthStepBytes);
}

/** An accelerator holds the rows; what is saved lies in the memory of its machine. */
function contextBytes(process: Process, contexts: ProcessContexts): number {
  const { rowBytes, savedBytes, prefixBytes } = contexts;
  return process.deviceId === 'cpu' ? rowBytes + savedBytes + prefixBytes : rowBytes;
}

/** A paused node goes on over its old stream: what it still runs of before must stop first. */
function tryRevive(state: KernelState, node: Node): void {
  const { nodeId } = node;
  for (const { pid, incarnation } of node.leftBehind) {
    emit(state, { kind: 'stop-process', to: { nodeId, pid, incarnation }, graceMs: 0 });
  }
  const sinceMs = state.now.nowMs - (node.heardAgainMs ?? state.now.nowMs);
  if (node.leftBehind.length > 0 && sinceMs < CORE_LIMITS.leftBehindMs) return;
  state.nodes.revive(nodeId, state.now.nowMs);
  state.ledger.setDevices(nodeId, node.capabilities.devices);
  armNode(state, node);
  announceNode(state, { kind: 'node-revived', id: nodeId });
}

/** Judges the node's silence; losing it loses its processes. */
export function judgeNode(state: KernelState, nodeId: NodeId): void {
  const { nodeLeaseMs } = state.config;
  const node = state.nodes.get(nodeId);
  if (node?.state.kind === 'lost') {
    if (state.now.nowMs - node.state.sinceMs >= CORE_LIMITS.lostNodeRowMs) {
      // Work that waited for it to come back has nothing left to wait for.
      state.nodes.forget(nodeId);
    } else {
      armNode(state, node);
    }
    return;
  }
  const changed = state.nodes.judge(nodeId, state.now.nowMs, nodeLeaseMs);
  if (changed !== undefined && changed !== 'alive') {
    announceNode(state, { kind: `node-${changed}`, id: nodeId });
  }
  if (changed === 'lost') {
    const left = processesOn(state, nodeId).map(({ pid, incarnation }) => ({ pid, incarnation }));
    state.nodes.leaveBehind(nodeId, left);
    loseNodeProcesses(state, nodeId, `node ${nodeId} was silent for ${nodeLeaseMs} ms`);
    state.ledger.removeNode(nodeId);
    // It is another machine, or was restarted, by the time it takes anything again.
    state.faults.clearNode(nodeId);
  }
  if (node !== undefined) armNode(state, node);
}

/** One process of a node changed, or a node that attached lists it. */
export function applyProcessChange(
  state: KernelState,
  nodeId: NodeId,
  reported: ReportedProcess,
): void {
  const node = state.nodes.get(nodeId);
  if (node === undefined) return;
  if (reported.report.kind === 'exited') state.nodes.noteExit(nodeId, reported);
  if (node.state.kind === 'lost') {
    const isBack = node.heardAgainMs !== undefined && node.leftBehind.length === 0;
    if (isBack) tryRevive(state, node);
    return;
  }
  const process = state.processes.get(reported.pid);
  if (process === undefined) {
    adoptProcess(state, nodeId, reported);
    return;
  }
  const isCurrent =
    process.nodeId === nodeId &&
    process.incarnation === reported.incarnation &&
    process.state.kind !== 'backing-off';
  if (isCurrent) applyReport(state, process, reported);
  else refuseProcess(state, nodeId, reported);
}

/** A process of an earlier leader goes on under this one, where its memory is accounted for. */
function adoptProcess(state: KernelState, nodeId: NodeId, reported: ReportedProcess): void {
  const { pid, incarnation, target, device: deviceId, reservedBytes, report } = reported;
  if (report.kind === 'exited') return;
  const isOurs = pid.startsWith(`p${state.epoch}-`);
  const isKnown = !state.catalog.isKnown || state.catalog.isTarget(target);
  const hasRoom = state.processes.size < CORE_LIMITS.maxProcesses;
  const isAdopted =
    !isOurs &&
    isKnown &&
    hasRoom &&
    state.ledger.tryReserve({ pid, nodeId, deviceId, bytes: reservedBytes });
  if (!isAdopted) {
    refuseProcess(state, nodeId, reported);
    return;
  }
  const process = state.processes.add({
    pid,
    target,
    nodeId,
    deviceId,
    reservedBytes,
    incarnation,
    state: { kind: 'starting', giveUpAtMs: loadTimeoutAtMs(state) },
    isReconciled: false,
    nowMs: state.now.nowMs,
  });
  armProcess(state, process);
  applyReport(state, process, reported);
  if (process.state.kind !== 'ready') return;
  process.nextGreetAtMs = state.now.nowMs + state.config.repeatMs / 2;
  emit(state, { kind: 'greet-process', to: { nodeId, pid, incarnation } });
}

function refuseProcess(state: KernelState, nodeId: NodeId, reported: ReportedProcess): void {
  if (reported.report.kind === 'exited') return;
  const { pid, incarnation } = reported;
  emit(state, { kind: 'stop-process', to: { nodeId, pid, incarnation }, graceMs: 0 });
}

/** The node came back without them: the command got lost, or they died meanwhile. */
function missUnreported(
  state: KernelState,
  nodeId: NodeId,
  reported: readonly ReportedProcess[],
): void {
  const present = new Set(reported.map(({ pid, incarnation }) => `${pid}/${incarnation}`));
  for (const process of processesOn(state, nodeId)) {
    const isPresent = present.has(`${process.pid}/${process.incarnation}`);
    const { kind } = process.state;
    switch (kind) {
      case 'starting':
        if (!isPresent) sendStart(state, process);
        break;
      case 'ready':
        if (!isPresent) loseProcess(state, process, { message: 'gone while its node was away' });
        break;
      case 'draining':
        if (isPresent) sendStop(state, process);
        else loseProcess(state, process, { message: 'stopped while its node was away' });
        break;
      case 'backing-off':
        break;
      default:
        assertNever(kind);
    }
  }
}

function loseNodeProcesses(state: KernelState, nodeId: NodeId, message: string): void {
  for (const process of processesOn(state, nodeId)) {
    loseProcess(state, process, { message, isNodeLoss: true });
  }
}

function processesOn(state: KernelState, nodeId: NodeId): Process[] {
  return state.processes.onNode(nodeId);
}

function armNode(state: KernelState, node: Node): void {
  const atMs =
    node.state.kind === 'lost'
      ? node.state.sinceMs + CORE_LIMITS.lostNodeRowMs
      : nextJudgementMs(node, state.config.nodeLeaseMs);
  state.nodeAlarms.set(node.nodeId, Math.max(atMs, state.now.nowMs + 1));
}

function announceNode(state: KernelState, fact: NodeFact): void {
  emit(state, { kind: 'announce', fact });
}
