/**
 * What failed where: for each (target, node) how often in a row, why, and until when nothing of the
 * target is started there. Sole writer of its rows; tells the targets whose rows have changed.
 *
 * A fault belongs to the pair. A machine that is short of memory says nothing about the model, a
 * broken model nothing about its machine, and what fails on one node may run on the next. Whoever
 * chooses a node avoids those with a fault; nobody ends work for a fault that passes. A host that
 * crashes in one load after the other has none that passes.
 */
import type { BackoffPolicy, NodeId, Target } from '@llmos/base';
import { backoffMs } from '@llmos/base';
import { CORE_LIMITS } from '../limits';

export interface Fault {
  readonly target: Target;
  readonly nodeId: NodeId;
  /** In a row. Those of one moment count once, deaths under work not at all. */
  readonly failures: number;
  /** Of the failures, the last ones that were crashes of a host that loads. */
  readonly crashes: number;
  /** Another try is not expected to help. */
  readonly isPermanent: boolean;
  readonly message: string;
  /** Of the last failure, or of the start that went well after it. */
  readonly atMs: number;
  /** Nothing is started there before. */
  readonly untilMs: number;
}

export interface Failure {
  readonly target: Target;
  readonly nodeId: NodeId;
  readonly message: string;
  readonly isPermanent: boolean;
  /**
   * It died while it ran tasks. The attempts of those bound it: a hostile task must not take a
   * model from everyone.
   */
  readonly hadWork: boolean;
  /** The host crashed while it loaded: by itself, not for want of something that may come. */
  readonly isLoadCrash?: boolean;
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
  private readonly byTarget = new Map<Target, Map<NodeId, Fault>>();
  private count = 0;

  constructor(
    private readonly rules: FaultRules,
    private readonly onChange: (target: Target) => void = () => undefined,
    private readonly maxFaults: number = CORE_LIMITS.maxFaults,
  ) {}

  get size(): number {
    return this.count;
  }

  /** @returns the fault as it stands now. */
  fail(failure: Failure): Fault {
    const { target, nodeId, nowMs } = failure;
    const before = this.remembered(target, nodeId, nowMs);
    const active = before !== undefined && before.untilMs > nowMs ? before : undefined;
    // Whatever was started before the fault began, and dies in it, tells nothing new.
    const isCounted = active === undefined && !failure.hadWork;
    const failures = (before?.failures ?? 0) + (isCounted ? 1 : 0);
    const crashes = failure.isLoadCrash === true ? (before?.crashes ?? 0) + Number(isCounted) : 0;
    const isPermanent = failure.isPermanent || crashes >= CORE_LIMITS.maxLoadCrashes;
    const waitMs = active === undefined ? this.waitMs(failure, failures) : 0;
    const isFirstPermanent = isPermanent && active?.isPermanent !== true;
    const fault: Fault = {
      target,
      nodeId,
      failures,
      crashes,
      isPermanent: isPermanent || active?.isPermanent === true,
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
  recover(target: Target, nodeId: NodeId, nowMs: number): void {
    const fault = this.get(target, nodeId);
    if (fault === undefined) return;
    const mended = { crashes: 0, isPermanent: false, atMs: nowMs, untilMs: nowMs };
    this.store({ ...fault, ...mended }, nowMs);
  }

  /** Undefined where the target may be started on the node now. */
  active(target: Target, nodeId: NodeId, nowMs: number): Fault | undefined {
    const fault = this.get(target, nodeId);
    return fault === undefined || fault.untilMs <= nowMs ? undefined : fault;
  }

  /** Those that keep the target from being started somewhere now, the oldest first. */
  activeOf(target: Target, nowMs: number): Fault[] {
    return oldestFirst([...(this.byTarget.get(target)?.values() ?? [])], nowMs);
  }

  /** Those that keep something from being started on the node now, the oldest first. */
  activeOn(nodeId: NodeId, nowMs: number): Fault[] {
    const here = [...this.byTarget.values()].flatMap((faults) => faults.get(nodeId) ?? []);
    return oldestFirst(here, nowMs);
  }

  all(): Fault[] {
    return [...this.byTarget.values()].flatMap((faults) => [...faults.values()]);
  }

  /** It is gone, has other files, or somebody asked for another try. */
  clearTarget(target: Target): void {
    this.count -= this.byTarget.get(target)?.size ?? 0;
    if (this.byTarget.delete(target)) this.onChange(target);
  }

  /** It went, or its agent started anew. */
  clearNode(nodeId: NodeId): void {
    for (const target of [...this.byTarget.keys()]) this.remove(target, nodeId);
  }

  private get(target: Target, nodeId: NodeId): Fault | undefined {
    return this.byTarget.get(target)?.get(nodeId);
  }

  private remove(target: Target, nodeId: NodeId): void {
    const faults = this.byTarget.get(target);
    if (faults?.delete(nodeId) !== true) return;
    this.count -= 1;
    if (faults.size === 0) this.byTarget.delete(target);
    this.onChange(target);
  }

  private waitMs({ hadWork }: Failure, failures: number): number {
    const { backoff } = this.rules;
    return hadWork ? backoff.firstMs : backoffMs(backoff, failures);
  }

  private remembered(target: Target, nodeId: NodeId, nowMs: number): Fault | undefined {
    const fault = this.get(target, nodeId);
    return fault === undefined || this.isForgotten(fault, nowMs) ? undefined : fault;
  }

  private isForgotten(fault: Fault, nowMs: number): boolean {
    return nowMs - Math.max(fault.atMs, fault.untilMs) >= this.rules.windowMs;
  }

  private store(fault: Fault, nowMs: number): void {
    const { target, nodeId } = fault;
    if (this.get(target, nodeId) === undefined) {
      if (this.count >= this.maxFaults) this.makeRoom(nowMs);
      this.count += 1;
    }
    const faults = this.byTarget.get(target) ?? new Map<NodeId, Fault>();
    this.byTarget.set(target, faults.set(nodeId, fault));
    this.onChange(target);
  }

  /** Forgets what has passed, else the oldest: at worst that is tried once more. */
  private makeRoom(nowMs: number): void {
    const all = this.all();
    const passed = all.filter((fault) => this.isForgotten(fault, nowMs));
    const [oldest] = all.sort((a, b) => a.atMs - b.atMs);
    const leaving = passed.length > 0 || oldest === undefined ? passed : [oldest];
    for (const { target, nodeId } of leaving) this.remove(target, nodeId);
  }
}

function oldestFirst(faults: readonly Fault[], nowMs: number): Fault[] {
  return faults.filter(({ untilMs }) => untilMs > nowMs).sort((a, b) => a.atMs - b.atMs);
}
