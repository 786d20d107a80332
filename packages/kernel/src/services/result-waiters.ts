/**
 * Calls that wait for their result: bounded, each answered exactly once.
 *
 * The word of a result may come before its waiter is known by name (the sequence comes with the
 * publish acknowledgement): while such publishes are in flight, recent notices are kept. Where the
 * body did not come along, it is read once somebody waits. A notice that was lost is repaired by a
 * look-up.
 */
import type { Clock, TenantId, TenantTask } from '@llmos/base';
import { ownBytes } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { ResultNotice, StoredResult } from '../ports/result-store';

export type WaitOutcome =
  | { readonly kind: 'result'; readonly result: StoredResult }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'stopping' };

export interface Waiter {
  readonly of: TenantTask;
  readonly untilMs: number;
  readonly settle: (outcome: WaitOutcome) => void;
}

interface WaitingFor {
  readonly of: TenantTask;
  waiters: Set<Waiter>;
  lookUpAtMs: number;
}

export interface WaiterLimits {
  readonly maxWaiters: number;
  readonly maxWaitersPerTenant: number;
}

export interface ResultWaitersOptions extends WaiterLimits {
  readonly clock: Clock;
  readonly lookUp: (of: TenantTask) => Promise<StoredResult | undefined>;
  /** Reads what a notice tells of, a bounded number at a time. */
  readonly readNoticed: (of: TenantTask, notice: ResultNotice) => Promise<StoredResult | undefined>;
  /** Somebody waits here for what this notice tells of. */
  readonly onTaken: (notice: ResultNotice) => void;
  readonly onLookUpFailed: (error: unknown) => void;
}

export class ResultWaiters {
  private readonly byTask = new Map<string, WaitingFor>();
  private readonly early = new Map<string, ResultNotice>();
  private earlyBytes = 0;
  /** Committed for certain, and not read yet: how many, and in what turn, is bounded by the reads. */
  private readonly unread = new Map<string, { of: TenantTask; notice: ResultNotice }>();
  private waiterCount = 0;
  private readonly countByTenant = new Map<TenantId, number>();
  private unnamedCount = 0;
  private isStopped = false;

  constructor(private readonly options: ResultWaitersOptions) {}

  get count(): number {
    return this.waiterCount + this.unnamedCount;
  }

  isFull(tenant: TenantId): boolean {
    return this.roomOf(tenant).remaining === 0;
  }

  /** How many may wait for the tenant, and how many more. */
  roomOf(tenant: TenantId): { readonly limit: number; readonly remaining: number } {
    const { maxWaiters, maxWaitersPerTenant: limit } = this.options;
    const ofTenant = this.countByTenant.get(tenant) ?? 0;
    return { limit, remaining: Math.max(0, Math.min(limit - ofTenant, maxWaiters - this.count)) };
  }

  /** Between the publish of a task without an id and its acknowledgement. */
  expectUnnamed(): void {
    this.unnamedCount += 1;
  }

  endUnnamed(): void {
    this.unnamedCount -= 1;
    if (this.unnamedCount > 0) return;
    this.early.clear();
    this.earlyBytes = 0;
  }

  /** Answers how to stop waiting without an answer. */
  add(waiter: Waiter): () => void {
    const key = keyOf(waiter.of);
    const early = this.early.get(key);
    if (this.isStopped) {
      // A publish that was in flight at the stop has nobody to wait with any more.
      const isThere = early !== undefined && hasBody(early);
      waiter.settle(isThere ? { kind: 'result', result: early } : { kind: 'stopping' });
      return () => undefined;
    }
    const lookUpAtMs = this.options.clock.nowMs() + EDGE_LIMITS.waiterLookUpMs;
    const entry = this.byTask.get(key) ?? { of: waiter.of, waiters: new Set(), lookUpAtMs };
    this.byTask.set(key, entry);
    entry.waiters.add(waiter);
    this.addCount(waiter.of.tenant, 1);
    if (early !== undefined) this.onCommitted(waiter.of, early);
    return () => this.remove(key, entry, waiter);
  }

  /** A result was committed, and its body may have come along. */
  onCommitted(of: TenantTask, notice: ResultNotice): void {
    const key = keyOf(of);
    const entry = this.byTask.get(key);
    if (entry === undefined) {
      if (this.unnamedCount > 0) this.keepEarly(key, notice);
      return;
    }
    this.options.onTaken(notice);
    if (hasBody(notice)) this.onResult(of, notice);
    else this.readNoticed(of, notice);
  }

  /** Where it can't be read now, the next sweep does it again, before it looks up anything else. */
  private readNoticed(of: TenantTask, notice: ResultNotice): void {
    const again = (): void => {
      if (this.byTask.has(keyOf(of))) this.unread.set(keyOf(of), { of, notice });
    };
    this.options.readNoticed(of, notice).then(
      (result) => {
        if (result === undefined) again();
        else this.onResult(of, result);
      },
      (error: unknown) => {
        again();
        this.options.onLookUpFailed(error);
      },
    );
  }

  onResult(of: TenantTask, result: StoredResult): void {
    const key = keyOf(of);
    const entry = this.byTask.get(key);
    if (entry === undefined) return;
    this.byTask.delete(key);
    this.addCount(of.tenant, -entry.waiters.size);
    const { waiters } = entry;
    // Former tables of the map may hold the entry until all is collected (see lean-requests.ts).
    entry.waiters = new Set();
    for (const waiter of waiters) waiter.settle({ kind: 'result', result });
  }

  /** Times out who waited too long, and looks up what may have been missed. */
  sweep(): void {
    const nowMs = this.options.clock.nowMs();
    const unread = [...this.unread.values()];
    this.unread.clear();
    for (const { of, notice } of unread) {
      if (this.byTask.has(keyOf(of))) this.readNoticed(of, notice);
    }
    let lookUps = 0;
    for (const [key, entry] of this.byTask) {
      for (const waiter of entry.waiters) {
        if (nowMs < waiter.untilMs) continue;
        this.remove(key, entry, waiter);
        waiter.settle({ kind: 'timed-out' });
      }
      if (nowMs < entry.lookUpAtMs || lookUps >= EDGE_LIMITS.maxLookUpsPerSweep) continue;
      if (entry.waiters.size === 0) continue;
      lookUps += 1;
      entry.lookUpAtMs = nowMs + EDGE_LIMITS.waiterLookUpMs;
      // To the end: those that the bound left out this time come first the next time.
      this.byTask.delete(key);
      this.byTask.set(key, entry);
      this.lookUp(entry.of);
    }
  }

  /** Answers everyone who waits, and from now on at once whoever comes. */
  stop(): void {
    this.isStopped = true;
    const entries = [...this.byTask.values()];
    this.byTask.clear();
    this.unread.clear();
    this.waiterCount = 0;
    this.countByTenant.clear();
    for (const entry of entries) {
      for (const waiter of entry.waiters) waiter.settle({ kind: 'stopping' });
    }
  }

  /** The oldest make room: a publish acknowledgement is never thousands of results late. */
  private keepEarly(key: string, notice: ResultNotice): void {
    this.earlyBytes -= this.early.get(key)?.body?.length ?? 0;
    this.early.delete(key);
    const { body } = notice;
    this.early.set(key, body === undefined ? notice : { ...notice, body: ownBytes(body) });
    this.earlyBytes += body?.length ?? 0;
    for (const [oldest, kept] of this.early) {
      const isFull =
        this.early.size > EDGE_LIMITS.maxEarlyResults ||
        this.earlyBytes > EDGE_LIMITS.maxEarlyBytes;
      if (!isFull) return;
      this.early.delete(oldest);
      this.earlyBytes -= kept.body?.length ?? 0;
    }
  }

  private lookUp(of: TenantTask): void {
    this.options.lookUp(of).then(
      (result) => {
        if (result !== undefined) this.onResult(of, result);
      },
      (error: unknown) => this.options.onLookUpFailed(error),
    );
  }

  private remove(key: string, entry: WaitingFor, waiter: Waiter): void {
    if (!entry.waiters.delete(waiter)) return;
    if (this.byTask.get(key) !== entry) return;
    this.addCount(entry.of.tenant, -1);
    if (entry.waiters.size === 0) this.byTask.delete(key);
  }

  private addCount(tenant: TenantId, more: number): void {
    this.waiterCount += more;
    const count = (this.countByTenant.get(tenant) ?? 0) + more;
    if (count > 0) this.countByTenant.set(tenant, count);
    else this.countByTenant.delete(tenant);
  }
}

function keyOf(of: TenantTask): string {
  return `${of.tenant}.${of.task}`;
}

function hasBody(notice: ResultNotice): notice is ResultNotice & StoredResult {
  return notice.body !== undefined;
}
