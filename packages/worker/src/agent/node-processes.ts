/**
 * The processes that the kernel assigned to this node, by pid. One writer of their table.
 *
 * Orders are idempotent by (pid, incarnation): a repeated start tells the state again, a newer
 * incarnation replaces an older one, an older order is ignored. Ends are remembered for a while,
 * because the leader that hears of them may be elected later.
 */
import type {
  ProcessId,
  ProcessReport,
  ProcessSpec,
  ReportedContexts,
  ReportedMemory,
  ReportedProcess,
} from '@llmos/base';
import { programTarget } from '@llmos/base';
import type { HostCounts } from '../actors/host-protocol';
import { AGENT_LIMITS } from '../limits';
import type { ProcessOrder, NodeProcessParts } from './node-process';
import { NodeProcess, reportedOf } from './node-process';

export class NodeProcesses {
  private readonly processes = new Map<ProcessId, NodeProcess>();
  /** Older incarnations that are still ending. */
  private readonly leaving = new Set<NodeProcess>();
  private onAllExited: (() => void) | undefined;
  private isClosing = false;

  constructor(private readonly parts: NodeProcessParts) {}

  start(order: ProcessOrder): void {
    const current = this.processes.get(order.pid);
    if (current !== undefined && current.order.incarnation > order.incarnation) return;
    if (current?.order.incarnation === order.incarnation) {
      this.parts.onChange(current.change);
      return;
    }
    if (this.isClosing || this.running().length >= AGENT_LIMITS.maxProcesses) {
      const message = this.isClosing
        ? 'the node is stopping'
        : `the node runs ${AGENT_LIMITS.maxProcesses} processes`;
      this.refuse(order, message, true);
      return;
    }
    if (current !== undefined && !current.isExited) {
      this.leaving.add(current);
      current.stop(0);
    }
    const process = new NodeProcess(
      { ...this.parts, onChange: (change) => this.pass(change) },
      order,
    );
    this.processes.delete(order.pid);
    this.processes.set(order.pid, process);
    this.forgetOldExits();
    void process.start();
  }

  /** Tells the kernel that an order can't be carried out. */
  refuse(order: ProcessOrder, message: string, isRetryable: boolean): void {
    const report = { kind: 'exited', reason: 'load-failed', message, isRetryable } as const;
    this.parts.onChange(reportedOf(order, report));
  }

  stop(of: { readonly pid: ProcessId; readonly incarnation: number; readonly graceMs: number }) {
    const process = this.processes.get(of.pid);
    if (process === undefined) {
      const report: ProcessReport = {
        kind: 'exited',
        reason: 'stopped',
        message: 'no such process on this node',
        isRetryable: false,
      };
      const { pid, incarnation } = of;
      this.parts.onChange(reportedOf({ pid, incarnation, spec: UNKNOWN }, report));
      return;
    }
    if (process.order.incarnation !== of.incarnation) return;
    if (process.isExited) this.parts.onChange(process.change);
    else process.stop(of.graceMs);
  }

  /** For a registration: everything that runs, and the ends that are remembered. */
  changes(): ReportedProcess[] {
    return [...this.processes.values()].map((process) => process.change);
  }

  counts(): { readonly change: ReportedProcess; readonly counts: HostCounts | undefined }[] {
    return this.running().map((process) => ({ change: process.change, counts: process.counts }));
  }

  /** Of the processes whose models generate, and whose threads have said it. */
  contexts(): ReportedContexts[] {
    return this.running().flatMap(({ order, counts }) => {
      const { contexts } = counts ?? {};
      return contexts === undefined ? [] : [{ ...idOf(order), contexts }];
    });
  }

  /** Of the ready processes on the CPU, whose memory can be read. */
  memory(): ReportedMemory[] {
    return this.running().flatMap((process) => {
      const { residentBytes } = process;
      return residentBytes === undefined ? [] : [{ ...idOf(process.order), residentBytes }];
    });
  }

  /** Stops everything; resolves when all have exited. The caller bounds the wait. */
  close(graceMs: number): Promise<void> {
    this.isClosing = true;
    return new Promise((resolve) => {
      this.onAllExited = resolve;
      for (const process of this.running()) process.stop(graceMs);
      this.notifyAllExited();
    });
  }

  private running(): NodeProcess[] {
    return [...this.processes.values(), ...this.leaving].filter((process) => !process.isExited);
  }

  private pass(change: ReportedProcess): void {
    for (const process of this.leaving) if (process.isExited) this.leaving.delete(process);
    this.parts.onChange(change);
    this.notifyAllExited();
  }

  private notifyAllExited(): void {
    if (this.running().length === 0) this.onAllExited?.();
  }

  private forgetOldExits(): void {
    const exited = [...this.processes.values()].filter((process) => process.isExited);
    const excess = exited.length - AGENT_LIMITS.maxRememberedExits;
    for (const process of exited.slice(0, Math.max(0, excess)))
      this.processes.delete(process.order.pid);
  }
}

function idOf({ pid, incarnation }: ProcessOrder) {
  return { pid, incarnation };
}

const UNKNOWN: ProcessSpec = { target: programTarget('unknown'), device: 'cpu', reservedBytes: 0 };
