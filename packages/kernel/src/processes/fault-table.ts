/**
 * What failed where: for each (target, node) how often in a row, why, and until when nothing of the
 * target is started there. Sole writer of its rows.
 *
 * A fault belongs to the pair. A machine that is short of memory says nothing about the model, a
 * broken model nothing about its machine, and what fails on one node may run on the next. Whoever
 * chooses a node avoids those with a fault; nobody ends work for a fault that passes.
 */
import type { BackoffPolicy, NodeId } from '@llmos/base';
import { backoffMs } from '@llmos/base';
import { CORE_LIMITS } from '../limits';

export interface Fault {
  readonly target: string;
  readonly nodeId: NodeId;
  /** In a row. Those of one moment count once, deaths under work not at all. */
  readonly failures: number;
  /** Another try is not expected to help. */
  readonly isPermanent: boolean;
  readonly message: string;
  /** Of the last failure, or of the start that went well after it. */
  readonly atMs: number;
  /** Nothing is started there before. */
  readonly untilMs: number;
}

export interface Failure {
  readonly target: string;
  readonly nodeId: NodeId;
  readonly message: string;
  readonly isPermanent: boolean;
  /**
   * It died while it ran tasks. The attempts of those bound it: a hostile task must not take a
   * model from everyone.
   */
  readonly hadWork: boolean;
  readonly nowMs: number;
}

export interface FaultRules {
  readonly backoff: BackoffPolicy;
  /** Failures further apart are no crash loop. */
  readonly windowMs: number;
  /** Even what failed for good is tried again after this: machines are repaired. */
  readonly permanentMs: number;
}

export class FaultTable {
  private readonly faults = new Map<string, Fault>();

  constructor(
    private readonly rules: FaultRules,
    private readonly maxFaults: number = CORE_LIMITS.maxFaults,
  ) {}

  get size(): number {
    return this.faults.size;
  }

  /** @returns the fault as it stands now. */
  fail(failure: Failure): Fault {
    const { target, nodeId, nowMs } = failure;
    const before = this.remembered(target, nodeId, nowMs);
    const active = before !== undefined && before.untilMs > nowMs ? before : undefined;
    // Whatever was started before the fault began, and dies in it, tells nothing new.
    const isCounted = active === undefined && !failure.hadWork;
    const failures = (before?.failures ?? 0) + (isCounted ? 1 : 0);
    const waitMs = active === undefined ? this.waitMs(failure, failures) : 0;
    const isFirstPermanent = failure.isPermanent && active?.isPermanent !== true;
    const fault: Fault = {
      target,
      nodeId,
      failures,
      isPermanent: failure.isPermanent || active?.isPermanent === true,
      message: active?.isPermanent === true ? active.message : failure.message,
      atMs: nowMs,
      untilMs: isFirstPermanent
        ? nowMs + this.rules.permanentMs
        : Math.max(active?.untilMs ?? 0, nowMs + waitMs),
    };
    this.store(fault, nowMs);
    return fault;
  }

  /**
   * One of the target is ready there. A host that gets ready and dies again is a crash loop, too:
   * its failures are remembered for the window.
   */
  recover(target: string, nodeId: NodeId, nowMs: number): void {
    const fault = this.faults.get(keyOf(target, nodeId));
    if (fault === undefined) return;
    this.store({ ...fault, isPermanent: false, atMs: nowMs, untilMs: nowMs }, nowMs);
  }

  /** Undefined where the target may be started on the node now. */
  active(target: string, nodeId: NodeId, nowMs: number): Fault | undefined {
    const fault = this.faults.get(keyOf(target, nodeId));
    return fault === undefined || fault.untilMs <= nowMs ? undefined : fault;
  }

  /** Those that keep the target from being started somewhere now, the oldest first. */
  activeOf(target: string, nowMs: number): Fault[] {
    return this.all().filter((fault) => fault.target === target && fault.untilMs > nowMs);
  }

  /** Those that keep something from being started on the node now, the oldest first. */
  activeOn(nodeId: NodeId, nowMs: number): Fault[] {
    return this.all().filter((fault) => fault.nodeId === nodeId && fault.untilMs > nowMs);
  }

  all(): Fault[] {
    return [...this.faults.values()];
  }

  /** It is gone, has other files, or somebody asked for another try. */
  clearTarget(target: string): void {
    for (const [key, fault] of this.faults) if (fault.target === target) this.faults.delete(key);
  }

  /** It went, or its agent started anew. */
  clearNode(nodeId: NodeId): void {
    for (const [key, fault] of this.faults) if (fault.nodeId === nodeId) this.faults.delete(key);
  }

  private waitMs({ hadWork }: Failure, failures: number): number {
    const { backoff } = this.rules;
    return hadWork ? backoff.firstMs : backoffMs(backoff, failures);
  }

  private remembered(target: string, nodeId: NodeId, nowMs: number): Fault | undefined {
    const fault = this.faults.get(keyOf(target, nodeId));
    return fault === undefined || this.isForgotten(fault, nowMs) ? undefined : fault;
  }

  private isForgotten(fault: Fault, nowMs: number): boolean {
    return nowMs - Math.max(fault.atMs, fault.untilMs) >= this.rules.windowMs;
  }

  /** A full table forgets what has passed, then the oldest: at worst that is tried once more. */
  private store(fault: Fault, nowMs: number): void {
    const key = keyOf(fault.target, fault.nodeId);
    this.faults.delete(key);
    if (this.faults.size >= this.maxFaults) {
      for (const [other, old] of this.faults) {
        if (this.isForgotten(old, nowMs)) this.faults.delete(other);
      }
    }
    const [oldest] = this.faults.keys();
    if (this.faults.size >= this.maxFaults && oldest !== undefined) this.faults.delete(oldest);
    this.faults.set(key, fault);
  }
}

/** The id of a node has no slash; a target may have one. */
function keyOf(target: string, nodeId: NodeId): string {
  return `${nodeId}/${target}`;
}
