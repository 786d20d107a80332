/**
 * The processes that the kernel assigned to this node, by pid. One writer of the slots.
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
import type { HostCounts } from '../actors/host-protocol';
import { AGENT_LIMITS } from '../limits';
import type { ProcessOrder, ProcessSlotParts } from './process-slot';
import { ProcessSlot, reportedOf } from './process-slot';

export class ProcessSlots {
  private readonly slots = new Map<ProcessId, ProcessSlot>();
  /** Older incarnations that are still ending. */
  private readonly leaving = new Set<ProcessSlot>();
  private onAllExited: (() => void) | undefined;
  private isClosing = false;

  constructor(private readonly parts: ProcessSlotParts) {}

  start(order: ProcessOrder): void {
    const current = this.slots.get(order.pid);
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
    const slot = new ProcessSlot({ ...this.parts, onChange: (change) => this.pass(change) }, order);
    this.slots.delete(order.pid);
    this.slots.set(order.pid, slot);
    this.forgetOldExits();
    void slot.start();
  }

  /** Tells the kernel that an order can't be carried out. */
  refuse(order: ProcessOrder, message: string, isRetryable: boolean): void {
    const report = { kind: 'exited', reason: 'load-failed', message, isRetryable } as const;
    this.parts.onChange(reportedOf(order, report));
  }

  stop(of: { readonly pid: ProcessId; readonly incarnation: number; readonly graceMs: number }) {
    const slot = this.slots.get(of.pid);
    if (slot === undefined) {
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
    if (slot.order.incarnation !== of.incarnation) return;
    if (slot.isExited) this.parts.onChange(slot.change);
    else slot.stop(of.graceMs);
  }

  /** For a registration: everything that runs, and the ends that are remembered. */
  changes(): ReportedProcess[] {
    return [...this.slots.values()].map((slot) => slot.change);
  }

  counts(): { readonly change: ReportedProcess; readonly counts: HostCounts | undefined }[] {
    return this.running().map((slot) => ({ change: slot.change, counts: slot.counts }));
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
    return this.running().flatMap((slot) => {
      const { residentBytes } = slot;
      return residentBytes === undefined ? [] : [{ ...idOf(slot.order), residentBytes }];
    });
  }

  /** Stops everything; resolves when all have exited. The caller bounds the wait. */
  close(graceMs: number): Promise<void> {
    this.isClosing = true;
    return new Promise((resolve) => {
      this.onAllExited = resolve;
      for (const slot of this.running()) slot.stop(graceMs);
      this.notifyAllExited();
    });
  }

  private running(): ProcessSlot[] {
    return [...this.slots.values(), ...this.leaving].filter((slot) => !slot.isExited);
  }

  private pass(change: ReportedProcess): void {
    for (const slot of this.leaving) if (slot.isExited) this.leaving.delete(slot);
    this.parts.onChange(change);
    this.notifyAllExited();
  }

  private notifyAllExited(): void {
    if (this.running().length === 0) this.onAllExited?.();
  }

  private forgetOldExits(): void {
    const exited = [...this.slots.values()].filter((slot) => slot.isExited);
    const excess = exited.length - AGENT_LIMITS.maxRememberedExits;
    for (const slot of exited.slice(0, Math.max(0, excess))) this.slots.delete(slot.order.pid);
  }
}

function idOf({ pid, incarnation }: ProcessOrder) {
  return { pid, incarnation };
}

const UNKNOWN: ProcessSpec = { target: 'unknown', device: 'cpu', reservedBytes: 0 };
