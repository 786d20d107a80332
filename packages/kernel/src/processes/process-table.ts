/**
 * All processes that hold a row, by id and by target, and the last ones that ended. Sole creator
 * and remover of rows; their fields change in `scheduling/process-life` and `scheduling/task-moves`.
 */
import type { ProcessId, ProcessRow } from '@llmos/base';
import { CORE_LIMITS } from '../limits';
import type { Process } from './process';

interface ExitedRow {
  readonly row: ProcessRow;
  readonly atMs: number;
}

export class ProcessTable {
  private readonly processes = new Map<ProcessId, Process>();
  private readonly byTarget = new Map<string, Process[]>();
  private exited: ExitedRow[] = [];

  get size(): number {
    return this.processes.size;
  }

  get(pid: ProcessId): Process | undefined {
    return this.processes.get(pid);
  }

  /** In the order of their creation. */
  all(): Process[] {
    return [...this.processes.values()];
  }

  /** In the order of their creation. */
  ofTarget(target: string): readonly Process[] {
    return this.byTarget.get(target) ?? [];
  }

  targets(): string[] {
    return [...this.byTarget.keys()];
  }

  add(process: Process): void {
    this.processes.set(process.pid, process);
    this.byTarget.set(process.target, [...this.ofTarget(process.target), process]);
  }

  /** @param row what `ps` shows of it for a while. */
  remove(process: Process, row: ProcessRow, nowMs: number): void {
    if (!this.processes.delete(process.pid)) return;
    const others = this.ofTarget(process.target).filter((other) => other !== process);
    if (others.length > 0) this.byTarget.set(process.target, others);
    else this.byTarget.delete(process.target);
    this.exited = [...this.recentlyExited(nowMs), { row, atMs: nowMs }].slice(
      -CORE_LIMITS.maxExitedRows,
    );
  }

  exitedRows(nowMs: number): ProcessRow[] {
    return this.recentlyExited(nowMs).map((ended) => ended.row);
  }

  private recentlyExited(nowMs: number): ExitedRow[] {
    return this.exited.filter((ended) => nowMs - ended.atMs < CORE_LIMITS.exitedRowMs);
  }
}
