/**
 * All processes that hold a row, by id, by target and by node, and the last ones that ended.
 *
 * Sole writer of a row's place, state, permits and work, and of its being reconciled: whatever
 * dispatch and provisioning follow from. It tells each such change, so nobody has to remember to.
 * Other fields of a row, such as when it was last heard, are written by those that hear them.
 */
import type { NodeId, ProcessId, ProcessRow, Target } from '@llmos/base';
import { CORE_LIMITS } from '../limits';
import {
  TenantCounts,
  isPlaced,
  type Process,
  type ProcessBirth,
  type ProcessState,
  type TenantAndClass,
} from './process';

/** What the table tells, after the row has changed. */
export interface ProcessListener {
  /** It came or went, or is in another state or place. */
  readonly onState: (process: Process) => void;
  /** Other work is in it, or it is known now what is. */
  readonly onWork: (process: Process) => void;
  /** It may take a task that it could not take before. */
  readonly onRoom: (process: Process) => void;
}

export interface ProcessPlace {
  readonly nodeId: NodeId;
  readonly deviceId: string;
  readonly reservedBytes: number;
}

/** A task as a permit is spent on it. */
export interface PermitHolder extends TenantAndClass {
  readonly sequence: number;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

interface Row extends Writable<Omit<Process, 'runningByClass'>> {
  readonly running: Set<number>;
  readonly runningByClass: Writable<Process['runningByClass']>;
  readonly runningByTenant: TenantCounts;
  readonly foreign: Map<string, number>;
}

interface ExitedRow {
  readonly row: ProcessRow;
  readonly atMs: number;
}

const NOBODY: ProcessListener = {
  onState: () => undefined,
  onWork: () => undefined,
  onRoom: () => undefined,
};

export class ProcessTable {
  private readonly rows = new Map<ProcessId, Row>();
  private readonly byTarget = new Map<Target, Process[]>();
  private readonly byNode = new Map<NodeId, Set<Process>>();
  private exited: ExitedRow[] = [];

  constructor(private readonly listener: ProcessListener = NOBODY) {}

  get size(): number {
    return this.rows.size;
  }

  get(pid: ProcessId): Process | undefined {
    return this.rows.get(pid);
  }

  /** In the order of their creation. */
  all(): Process[] {
    return [...this.rows.values()];
  }

  /** In the order of their creation. */
  ofTarget(target: Target): readonly Process[] {
    return this.byTarget.get(target) ?? [];
  }

  targets(): Target[] {
    return [...this.byTarget.keys()];
  }

  /** Those that hold memory there, in the order in which they were placed. */
  onNode(nodeId: NodeId): Process[] {
    return [...(this.byNode.get(nodeId) ?? [])];
  }

  countOn(nodeId: NodeId): number {
    return this.byNode.get(nodeId)?.size ?? 0;
  }

  add(birth: ProcessBirth): Process {
    const row = createRow(birth);
    this.rows.set(row.pid, row);
    this.byTarget.set(row.target, [...this.ofTarget(row.target), row]);
    this.index(row);
    this.listener.onState(row);
    return row;
  }

  /** @param shown what `ps` shows of it for a while. */
  remove(process: Process, shown: ProcessRow, nowMs: number): void {
    if (!this.rows.delete(process.pid)) return;
    const others = this.ofTarget(process.target).filter((other) => other !== process);
    if (others.length > 0) this.byTarget.set(process.target, others);
    else this.byTarget.delete(process.target);
    this.unindex(process);
    this.exited = [...this.recentlyExited(nowMs), { row: shown, atMs: nowMs }].slice(
      -CORE_LIMITS.maxExitedRows,
    );
    this.listener.onState(process);
  }

  exitedRows(nowMs: number): ProcessRow[] {
    return this.recentlyExited(nowMs).map((ended) => ended.row);
  }

  setState(process: Process, next: ProcessState): void {
    const row = rowOf(process);
    row.state = next;
    if (isPlaced(row)) this.index(row);
    else this.unindex(row);
    this.listener.onState(row);
    this.listener.onRoom(row);
  }

  /** The next incarnation of a row that holds nothing. */
  restart(process: Process, place: ProcessPlace, next: ProcessState): void {
    const row = rowOf(process);
    row.nodeId = place.nodeId;
    row.deviceId = place.deviceId;
    row.reservedBytes = place.reservedBytes;
    row.incarnation += 1;
    row.osPid = undefined;
    row.runsOn = undefined;
    row.isReconciled = true;
    this.setState(row, next);
  }

  /** It is ready, with nothing in it. */
  open(process: Process, permits: number, nowMs: number): void {
    const row = rowOf(process);
    row.permits = permits;
    row.idleSinceMs = nowMs;
    this.setState(row, { kind: 'ready', sinceMs: nowMs });
  }

  /** Its incarnation is gone, and whatever it said of itself. What ran in it is returned after. */
  forget(process: Process, next: ProcessState): void {
    const row = rowOf(process);
    row.foreign.clear();
    row.settled.clear();
    row.isReconciled = false;
    row.permits = 0;
    row.contexts = undefined;
    row.deaf = undefined;
    row.foreignCount = 0;
    row.residentBytes = undefined;
    this.setState(row, next);
  }

  spendPermit(process: Process, task: PermitHolder, nowMs: number): void {
    const row = rowOf(process);
    // A process that was idle had no reason to speak: its silence counts from now.
    if (row.running.size === 0) row.lastHeardMs = nowMs;
    row.running.add(task.sequence);
    row.runningByClass[task.class] += 1;
    row.runningByTenant.add(task);
    row.idleSinceMs = undefined;
    this.listener.onWork(row);
  }

  /** @returns false, and nothing changed, where the task held none. */
  returnPermit(process: Process, task: PermitHolder, nowMs: number): boolean {
    const row = rowOf(process);
    if (!row.running.delete(task.sequence)) return false;
    row.runningByClass[task.class] -= 1;
    row.runningByTenant.remove(task);
    if (row.running.size === 0) row.idleSinceMs = nowMs;
    this.listener.onWork(row);
    this.listener.onRoom(row);
    return true;
  }

  addForeign(process: Process, name: string, attempt: number): void {
    const row = rowOf(process);
    row.foreign.set(name, attempt);
    this.listener.onWork(row);
  }

  removeForeign(process: Process, name: string): void {
    const row = rowOf(process);
    if (!row.foreign.delete(name)) return;
    this.listener.onWork(row);
    this.listener.onRoom(row);
  }

  /** It has just said what it runs: what is foreign in it is added anew. */
  reconcile(process: Process): void {
    const row = rowOf(process);
    if (row.isReconciled && row.foreign.size === 0) return;
    row.foreign.clear();
    row.isReconciled = true;
    this.listener.onWork(row);
    this.listener.onRoom(row);
  }

  private index(row: Row): void {
    if (!isPlaced(row)) return;
    const there = this.byNode.get(row.nodeId) ?? new Set<Process>();
    this.byNode.set(row.nodeId, there.add(row));
  }

  private unindex(process: Process): void {
    const there = this.byNode.get(process.nodeId);
    if (there?.delete(process) === true && there.size === 0) this.byNode.delete(process.nodeId);
  }

  private recentlyExited(nowMs: number): ExitedRow[] {
    return this.exited.filter((ended) => nowMs - ended.atMs < CORE_LIMITS.exitedRowMs);
  }
}

/** Nobody else creates one. */
function rowOf(process: Process): Row {
  return process as Row;
}

function createRow(birth: ProcessBirth): Row {
  const { nowMs, ...fields } = birth;
  return {
    ...fields,
    osPid: undefined,
    runsOn: undefined,
    footprintBytes: 0,
    residentBytes: undefined,
    contexts: undefined,
    permits: 0,
    running: new Set(),
    runningByClass: { interactive: 0, standard: 0, batch: 0 },
    runningByTenant: new TenantCounts(),
    foreign: new Map(),
    settled: new Map(),
    nextGreetAtMs: nowMs,
    lastHeardMs: nowMs,
    deaf: undefined,
    foreignCount: 0,
    idleSinceMs: nowMs,
  };
}
