/**
 * Drives leadership.ts against the store: reads, takes, renews, steps down, releases.
 *
 * One loop, one write in flight. `onGranted` and `onLost` alternate; between them, `onLapsed` and
 * `onRegained` do. After `onLapsed` or `onLost` (or once `isLeading()` is false) nothing may be done
 * in the name of the epoch. The loop never ends before `stop`: what fails is tried again.
 */
import type { Clock, Epoch, LeaderRecord, Logger } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { HeldLease, LeaseState } from './leadership';
import {
  applyGrant,
  applyLapse,
  applyReading,
  applyRenewal,
  applyRenewalFailure,
  chooseLeaseStep,
  isLeaseValid,
  judgeConflict,
  startObserving,
} from './leadership';
import type { LeadershipStore, StoredLeader } from '../ports/leadership-store';

export interface LeadershipOptions {
  readonly store: LeadershipStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly leaseMs: number;
  readonly self: Pick<LeaderRecord, 'kernelId' | 'httpUrl' | 'grpcUrl'>;
  readonly onGranted: (epoch: Epoch) => void;
  /** The lease ran out, and nobody is known to have taken it: what is begun waits. */
  readonly onLapsed: () => void;
  /** Nobody took it: the same leadership goes on. */
  readonly onRegained: () => void;
  readonly onLost: (reason: string) => void;
  /** A record was read that no kernel can have written. */
  readonly onForeign: (revision: number) => void;
}

type LostReason = 'lease-expired' | 'replaced' | 'gave-up' | 'stopping';

export class LeadershipDriver {
  private state: LeaseState;
  private isStopped = false;
  private isWatching = false;
  private wakeUp: () => void = () => undefined;
  private unwatch: () => void = () => undefined;
  private expiry: NodeJS.Timeout | undefined;
  private loop: Promise<void> | undefined;
  private lastRecord: LeaderRecord | undefined;
  private foreignRevision = 0;

  constructor(private readonly options: LeadershipOptions) {
    const predecessor = options.self.kernelId;
    this.state = startObserving(options.clock.nowMs(), { predecessor });
  }

  start(): void {
    this.loop ??= this.run();
  }

  isLeading(): boolean {
    return isLeaseValid(this.state, this.options.clock.nowMs());
  }

  /** The last leader that was seen, us included. */
  leader(): LeaderRecord | undefined {
    return this.lastRecord;
  }

  /** Ends the leadership and lets other kernels go first, for as long as `waitMs`. */
  async giveUp(waitMs = 2 * this.options.leaseMs): Promise<void> {
    const { clock } = this.options;
    // One that ran out is nobody's to give: whoever is first, we too, may take it.
    if (!this.isLeading()) this.lose('lease-expired', clock.nowMs());
    else await this.release('gave-up', clock.nowMs() + waitMs);
    this.wakeUp();
  }

  /** Releases the lease, so that a standby takes over at once. May be called twice. */
  async stop(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    this.unwatch();
    this.wakeUp();
    await this.release('stopping', Number.POSITIVE_INFINITY);
    await this.loop;
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      try {
        await this.watchOnce();
        await this.step();
      } catch (error) {
        this.options.log.warn('leadership-step-failed', { reason: reasonOf(error) });
        await this.pause(this.options.leaseMs / 10);
      }
    }
  }

  private async watchOnce(): Promise<void> {
    if (this.isWatching) return;
    this.isWatching = true;
    try {
      this.unwatch = await this.limited(this.options.store.watch(() => this.onHint()));
    } catch (error) {
      // Reading at intervals goes on without it.
      this.options.log.warn('leadership-watch-failed', { reason: reasonOf(error) });
    }
  }

  private onHint(): void {
    if (this.state.kind === 'observing') {
      this.state = { ...this.state, readAtMs: 0 };
      this.wakeUp();
    }
  }

  private async step(): Promise<void> {
    const { clock, leaseMs } = this.options;
    const step = chooseLeaseStep(this.state, { nowMs: clock.nowMs(), leaseMs });
    switch (step.kind) {
      case 'wait':
        return this.pause(step.untilMs - clock.nowMs());
      case 'read':
        return this.read();
      case 'take':
        return this.take(step.expectedRevision);
      case 'renew':
        return this.renew(step.expectedRevision);
      case 'lapse':
        return this.lapse();
      case 'step-down':
        return this.lose('lease-expired', clock.nowMs());
    }
  }

  private async read(): Promise<void> {
    const stored = await this.readStore();
    const { clock, leaseMs } = this.options;
    if (this.state.kind !== 'observing') return;
    if (stored === undefined || stored.record !== undefined) this.lastRecord = stored?.record;
    this.state = applyReading(this.state, stored, { nowMs: clock.nowMs(), leaseMs });
  }

  private async readStore(): Promise<StoredLeader | undefined> {
    const stored = await this.limited(this.options.store.read());
    const { revision } = stored ?? { revision: 0 };
    if (stored === undefined || stored.record !== undefined) return stored;
    if (revision !== this.foreignRevision) {
      this.foreignRevision = revision;
      this.options.log.warn('leader-record-foreign', { revision });
      this.options.onForeign(revision);
    }
    return stored;
  }

  private async take(expectedRevision: number): Promise<void> {
    const { clock, leaseMs, store, log } = this.options;
    const sentAtMs = clock.nowMs();
    const record = this.record(0);
    const written = await this.limited(store.write(record, expectedRevision));
    if (this.isStopped || written.kind === 'conflict') return this.read();
    const granted = applyGrant(written.revision, { sentAtMs, leaseMs });
    if (granted.kind !== 'leading' || !isLeaseValid(granted, clock.nowMs())) return this.read();
    this.state = granted;
    this.lastRecord = { ...record, epoch: granted.epoch };
    this.watchExpiry(granted.validUntilMs);
    log.info('leadership-began', { epoch: granted.epoch });
    this.options.onGranted(granted.epoch);
  }

  private async renew(expectedRevision: number): Promise<void> {
    const { clock, leaseMs, store, log } = this.options;
    const before = this.state;
    if (before.kind === 'observing') return;
    const sentAtMs = clock.nowMs();
    try {
      const record = this.record(before.epoch);
      const written = await this.limited(store.write(record, expectedRevision));
      if (this.state !== before) return;
      // Whoever looked meanwhile saw it end, and has acted on it.
      if (before.kind === 'leading' && !isLeaseValid(before, clock.nowMs())) return this.lapse();
      if (written.kind === 'conflict') return await this.judge(before);
      this.applyRenewed(before, applyRenewal(before, written.revision, { sentAtMs, leaseMs }));
    } catch (error) {
      log.warn('lease-renewal-failed', { epoch: before.epoch, reason: reasonOf(error) });
      if (this.state === before) {
        this.state = applyRenewalFailure(before, { nowMs: clock.nowMs(), leaseMs });
      }
    }
  }

  private applyRenewed(before: HeldLease, renewed: LeaseState): void {
    const { clock, log, onRegained } = this.options;
    if (renewed.kind !== 'leading') return;
    if (!isLeaseValid(renewed, clock.nowMs())) {
      this.state = { ...before, revision: renewed.revision };
      return;
    }
    this.state = renewed;
    this.watchExpiry(renewed.validUntilMs);
    if (before.kind === 'leading') return;
    log.info('leadership-regained', { epoch: before.epoch });
    onRegained();
  }

  private async judge(before: HeldLease): Promise<void> {
    const stored = await this.readStore();
    if (this.state !== before) return;
    const nowMs = this.options.clock.nowMs();
    const kernelId = this.options.self.kernelId;
    const judged = judgeConflict(before, stored, { nowMs, kernelId });
    if (judged.kind !== 'observing') this.state = judged;
    else this.lose('replaced', nowMs);
  }

  /** Fires even while a write hangs. */
  private watchExpiry(validUntilMs: number): void {
    clearTimeout(this.expiry);
    const waitMs = Math.max(1, validUntilMs - this.options.clock.nowMs());
    this.expiry = setTimeout(() => {
      const nowMs = this.options.clock.nowMs();
      if (this.state.kind === 'leading' && nowMs >= this.state.validUntilMs) this.lapse();
    }, waitMs);
  }

  private lapse(): void {
    const { clock, log, onLapsed } = this.options;
    if (this.state.kind !== 'leading') return;
    const { epoch } = this.state;
    clearTimeout(this.expiry);
    const at = { nowMs: clock.nowMs(), lapseMs: EDGE_LIMITS.lapseMs };
    this.state = applyLapse(this.state, at);
    log.warn('leadership-lapsed', { epoch });
    onLapsed();
  }

  private lose(reason: LostReason, notBeforeMs: number): void {
    if (this.state.kind === 'observing') return;
    const { epoch } = this.state;
    clearTimeout(this.expiry);
    // A lease of our own that ran out need not be waited for.
    const { kernelId } = this.options.self;
    const own = reason === 'lease-expired' ? { predecessor: kernelId } : {};
    this.state = startObserving(this.options.clock.nowMs(), { notBeforeMs, ...own });
    const level = reason === 'stopping' ? 'info' : 'warn';
    this.options.log[level]('leadership-ended', { epoch, reason });
    this.options.onLost(reason);
  }

  private async release(reason: LostReason, notBeforeMs: number): Promise<void> {
    const before = this.state;
    if (before.kind === 'observing') return;
    this.lose(reason, notBeforeMs);
    const record: LeaderRecord = { ...this.record(before.epoch), isReleased: true };
    try {
      const first = await this.limited(this.options.store.write(record, before.revision));
      if (first.kind === 'written') return;
      // A renewal of ours was in flight: release on top of it, and only of it.
      const stored = await this.readStore();
      const at = { nowMs: this.options.clock.nowMs(), kernelId: this.options.self.kernelId };
      const judged = judgeConflict(before, stored, at);
      if (judged.kind !== 'observing') {
        await this.limited(this.options.store.write(record, judged.revision));
      }
    } catch (error) {
      // The lease then simply runs out.
      const reason = reasonOf(error);
      this.options.log.warn('lease-release-failed', { epoch: before.epoch, reason });
    }
  }

  private record(epoch: number): LeaderRecord {
    return { ...this.options.self, epoch, isReleased: false };
  }

  private pause(waitMs: number): Promise<void> {
    if (this.isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, waitMs));
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** No request to the store holds the loop for longer than a third of the lease. */
  private limited<T>(promise: Promise<T>): Promise<T> {
    const limitMs = Math.max(200, this.options.leaseMs / 3);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no answer of the leadership store in ${Math.round(limitMs)} ms`)),
        limitMs,
      );
      void promise.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}

/** An outage is expected now and then: its reason, not its stack, is news. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
