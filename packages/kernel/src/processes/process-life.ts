/**
 * The life of a process: started, ready, draining, dead, started again. Nobody else moves a row to
 * another state, or writes the ledger's entries.
 */
import type { ErrorBody, NodeId, ProcessId, ReportedProcess } from '@llmos/base';
import { assertNever, errorBody } from '@llmos/base';
import type { ProcessFact } from '../kernel-fact';
import { emit, type KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import { isFailure, type DrainReason, type Process, type ProcessState } from './process';
import { processRow } from './process-row';
import type { Fault } from './fault-table';
import { shorten } from '../tasks/task-outcomes';
import { failAttempt, repeatAttempt } from '../tasks/attempts';
import { endStopped } from '../tasks/task-end';
import { leaveProcess } from '../tasks/task-moves';

export function addressOf(process: Process): {
  nodeId: NodeId;
  pid: ProcessId;
  incarnation: number;
} {
  return { nodeId: process.nodeId, pid: process.pid, incarnation: process.incarnation };
}

/** The caller has reserved its memory. */
export function sendStart(state: KernelState, process: Process): void {
  const { target, deviceId: device, reservedBytes } = process;
  const to = addressOf(process);
  emit(state, { kind: 'start-process', to, target, device, reservedBytes });
}

export interface Drain {
  readonly reason: DrainReason;
  readonly graceMs: number;
  /** Where nothing could go on elsewhere: it is told to stop only once nothing runs in it. */
  readonly finishesFirst?: boolean;
}

/** Takes nothing new; what still runs when it exits goes on elsewhere. */
export function drainProcess(state: KernelState, process: Process, how: Drain): void {
  const { reason, graceMs } = how;
  const before = process.state;
  const isFinishing = how.finishesFirst === true && process.running.size > 0;
  // One that may finish can still be told to stop at once.
  if (before.kind === 'draining' && (isFinishing || !before.isFinishing)) return;
  if (before.kind === 'backing-off') {
    removeProcess(state, process, reason);
    return;
  }
  const nextSendAtMs = state.now.nowMs;
  setState(state, process, { kind: 'draining', reason, graceMs, isFinishing, nextSendAtMs });
  state.queue.unpin(process.target, process.pid);
  if (before.kind !== 'draining') {
    announceProcess(state, { kind: 'process-draining', ...factOf(process), reason });
  }
  sendStop(state, process);
}

export function sendStop(state: KernelState, process: Process): void {
  if (process.state.kind !== 'draining' || process.state.isFinishing) return;
  process.state.nextSendAtMs = state.now.nowMs + state.config.repeatMs;
  emit(state, {
    kind: 'stop-process',
    to: addressOf(process),
    graceMs: process.state.graceMs,
  });
  armProcess(state, process);
}

/** What the node says of the current incarnation. */
export function applyReport(state: KernelState, process: Process, reported: ReportedProcess): void {
  const { report } = reported;
  switch (report.kind) {
    case 'starting':
      process.osPid = report.osPid ?? process.osPid;
      if (process.state.kind !== 'starting') return;
      setState(state, process, { kind: 'starting', giveUpAtMs: loadTimeoutAtMs(state) });
      return;
    case 'ready':
      process.osPid = report.osPid;
      if (process.state.kind === 'starting') becomeReady(state, process, report);
      return;
    case 'exited':
      applyExit(state, process, report);
      return;
    default:
      assertNever(report);
  }
}

type ExitReport = Extract<ReportedProcess['report'], { kind: 'exited' }>;

function applyExit(state: KernelState, process: Process, report: ExitReport): void {
  const message = shorten(report.message);
  if (report.reason === 'load-failed' && !report.isRetryable) {
    loseProcess(state, process, { message, isPermanent: true });
    return;
  }
  const isOrderly = report.reason === 'stopped';
  const isLoadCrash = report.reason === 'crashed' && process.state.kind === 'starting';
  loseProcess(state, process, { message: `${report.reason}: ${message}`, isOrderly, isLoadCrash });
}

export interface Loss {
  readonly message: string;
  /** Another try on this node is not expected to help. */
  readonly isPermanent?: boolean;
  /** Its agent stopped it, because it stops itself: no task is to blame. */
  readonly isOrderly?: boolean;
  /** It crashed while it loaded. */
  readonly isLoadCrash?: boolean;
  /** Not its own failure: its node went. */
  readonly isNodeLoss?: boolean;
}

/** The incarnation is gone. Its memory is free, its tasks go on, and it may start again. */
export function loseProcess(state: KernelState, process: Process, loss: Loss): void {
  const before = process.state;
  if (before.kind === 'backing-off') return;
  const wasAsked = before.kind === 'draining' && !isFailure(before.reason);
  const hadWork = process.running.size > 0;
  state.ledger.release(process.pid);
  const { nowMs } = state.now;
  state.processes.forget(process, { kind: 'backing-off', untilMs: nowMs, message: loss.message });
  armProcess(state, process);
  state.queue.unpin(process.target, process.pid);
  // One that was stopped for its silence exits in order, too.
  const isOrderly = loss.isOrderly === true && before.kind !== 'draining';
  releaseTasks(state, process, { ...loss, isCounted: !wasAsked && !isOrderly });
  const isFault = !wasAsked && loss.isNodeLoss !== true;
  const why = before.kind === 'draining' && !wasAsked ? before.reason : loss.message;
  // One that leaves in order has given back what it had, and says nothing against its target.
  const blamed = { ...loss, message: why, hadWork: hadWork || isOrderly };
  const fault = isFault ? noteFault(state, process, blamed) : undefined;
  announceProcess(state, {
    kind: 'process-exited',
    ...factOf(process),
    message: loss.message,
    ...faultFields(state, fault),
  });
  if (wasAsked) {
    removeProcess(state, process, before.reason);
  } else if (loss.isPermanent === true || (loss.isLoadCrash === true && fault?.isPermanent)) {
    removeProcess(state, process, loss.message);
  } else if (fault !== undefined) {
    setState(state, process, { kind: 'backing-off', untilMs: fault.untilMs, message: why });
  }
}

function noteFault(
  state: KernelState,
  process: Process,
  of: Pick<Loss, 'message' | 'isPermanent' | 'isLoadCrash'> & { readonly hadWork: boolean },
): Fault {
  const { target, nodeId } = process;
  const { message, hadWork, isPermanent = false, isLoadCrash = false } = of;
  const { nowMs } = state.now;
  return state.faults.fail({ target, nodeId, message, isPermanent, hadWork, isLoadCrash, nowMs });
}

function faultFields(state: KernelState, fault: Fault | undefined) {
  if (fault === undefined) return {};
  const { failures, isPermanent, untilMs } = fault;
  return { failures, isPermanent, retryInMs: untilMs - state.now.nowMs };
}

/** Ends the row. Nothing runs in it and it holds nothing. */
export function removeProcess(state: KernelState, process: Process, reason: string): void {
  const row = { ...processRow(process, 0), state: 'exited' as const, reason };
  state.ledger.release(process.pid);
  state.queue.unpin(process.target, process.pid);
  state.processAlarms.clear(process.pid);
  state.processes.remove(process, row, state.now.nowMs);
}

export function setState(state: KernelState, process: Process, next: ProcessState): void {
  state.processes.setState(process, next);
  armProcess(state, process);
}

export function loadTimeoutAtMs(state: KernelState): number {
  return state.now.nowMs + state.config.loadTimeoutMs;
}

/** Sets the time at which something must happen to it if nothing else does. */
export function armProcess(state: KernelState, process: Process): void {
  const atMs = nextStepMs(state, process);
  if (atMs === Number.POSITIVE_INFINITY) state.processAlarms.clear(process.pid);
  else state.processAlarms.set(process.pid, atMs);
}

function nextStepMs(state: KernelState, process: Process): number {
  const current = process.state;
  switch (current.kind) {
    case 'starting':
      return current.giveUpAtMs;
    case 'draining':
      return current.isFinishing ? silenceLookMs(state) : current.nextSendAtMs;
    case 'backing-off':
      // It is started again by whoever waits for it, when the fault of its node is over.
      return Number.POSITIVE_INFINITY;
    case 'ready': {
      const greetAtMs = process.isReconciled ? Number.POSITIVE_INFINITY : process.nextGreetAtMs;
      return Math.min(greetAtMs, silenceLookMs(state));
    }
    default:
      return assertNever(current);
  }
}

/** Silence and idleness are looked at once a while: no alarm moves with every message. */
function silenceLookMs(state: KernelState): number {
  return state.now.nowMs + state.config.processSilenceMs / 4;
}

function becomeReady(
  state: KernelState,
  process: Process,
  report: Extract<ReportedProcess['report'], { kind: 'ready' }>,
): void {
  const { nowMs } = state.now;
  process.footprintBytes = report.footprintBytes;
  process.runsOn = report.device;
  process.lastHeardMs = nowMs;
  state.ledger.commit(process.pid, report.footprintBytes);
  state.faults.recover(process.target, process.nodeId, nowMs);
  state.progress += 1;
  state.processes.open(process, boundPermits(report.permits), nowMs);
  armProcess(state, process);
  announceProcess(state, {
    kind: 'process-ready',
    ...factOf(process),
    device: process.deviceId,
    footprintBytes: report.footprintBytes,
  });
}

/** What a host claims is foreign: anything that is no count means one. */
function boundPermits(permits: number): number {
  if (!Number.isFinite(permits)) return 1;
  return Math.max(1, Math.min(CORE_LIMITS.maxPermits, Math.floor(permits)));
}

function releaseTasks(
  state: KernelState,
  process: Process,
  loss: Loss & { readonly isCounted: boolean },
): void {
  const died: ErrorBody = errorBody(
    'UNAVAILABLE',
    `process ${process.pid} of ${process.target} on node ${process.nodeId} died: ${loss.message}`,
  );
  for (const sequence of [...process.running]) {
    const task = state.tasks.get(sequence);
    if (task?.state.kind !== 'running') continue;
    const { stop } = task.state;
    leaveProcess(state, task);
    if (stop !== undefined) {
      endStopped(state, task, stop.reason);
    } else if (loss.isCounted) {
      // Whoever was in it runs alone from now on, so that the guilty one is found.
      task.isApart = true;
      failAttempt(state, task, died);
    } else {
      repeatAttempt(state, task);
    }
  }
}

export function announceProcess(state: KernelState, fact: ProcessFact): void {
  emit(state, { kind: 'announce', fact });
}

/** Which process a fact is about. */
export function factOf(
  process: Process,
): Pick<ProcessFact, 'id' | 'target' | 'node' | 'incarnation'> {
  const { pid: id, target, nodeId: node, incarnation } = process;
  return { id, target, node, incarnation };
}
