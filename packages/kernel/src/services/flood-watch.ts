/**
 * Tells floods of requests from bursts. Pure.
 *
 * However much comes, it is nobody's business while its tenant asks alone. While several ask, a
 * burst may wait, and who sends more is told when to ask again. Whoever goes on regardless, seconds
 * later, without a moment in which nothing of it waits, and mostly with what is wrong, is a flood:
 * who works that hard with what is right has its share. It is one until there is such a moment, or
 * as many seconds with mostly what is right. A flood may have only a few in line: what waits for
 * long survives the collections of garbage, and each of them stops the calls of all others while it
 * copies that.
 */
import type { Clock } from '@llmos/base';

export interface FloodLimits {
  /** Of one tenant that asks alone. */
  readonly maxWaitingRequestsPerTenant: number;
  /** Of one tenant while several ask: more would be in line for long. */
  readonly maxBurstRequests: number;
  /** Of a flood. */
  readonly maxFloodRequests: number;
  /** What is judged at a time, from the first that was too much: longer than it is told to wait. */
  readonly floodAfterMs: number;
  /** How long several tenants ask after a request of another one than the last. */
  readonly contestedAfterMs: number;
}

/** Of a tenant that sends more than may wait, and has something in line since: as it goes on. */
interface Excess {
  readonly sinceMs: number;
  handled: number;
  refused: number;
}

export class FloodWatch {
  private lastTenant: string | undefined;
  private contestedAtMs = Number.NEGATIVE_INFINITY;
  private readonly excess = new Map<string, Excess>();
  private readonly floods = new Set<string>();

  constructor(
    private readonly limits: FloodLimits,
    private readonly clock: Pick<Clock, 'nowMs'>,
  ) {}

  noteAsked(tenant: string): void {
    if (tenant === this.lastTenant) return;
    if (this.lastTenant !== undefined) this.contestedAtMs = this.clock.nowMs();
    this.lastTenant = tenant;
  }

  /** Several tenants ask. */
  isContested(): boolean {
    return this.clock.nowMs() - this.contestedAtMs < this.limits.contestedAfterMs;
  }

  isFlood(tenant: string): boolean {
    return this.floods.has(tenant);
  }

  /** How many of the tenant may wait. */
  mostOf(tenant: string): number {
    const { limits } = this;
    if (!this.isContested()) return limits.maxWaitingRequestsPerTenant;
    return this.floods.has(tenant) ? limits.maxFloodRequests : limits.maxBurstRequests;
  }

  /**
   * The tenant, which has something in line, has sent more than may wait; or it is a flood, and one
   * of its requests was handled.
   *
   * @returns whether it becomes a flood by what it sent of late, or ends being one.
   */
  judge(tenant: string): boolean {
    if (!this.isContested()) return false;
    const nowMs = this.clock.nowMs();
    const known = this.excess.get(tenant);
    if (known !== undefined && nowMs - known.sinceMs < this.limits.floodAfterMs) return false;
    this.excess.set(tenant, { sinceMs: nowMs, handled: 0, refused: 0 });
    if (known === undefined || known.handled === 0) return false;
    const isFlood = known.refused > known.handled / 2;
    if (isFlood === this.floods.has(tenant)) return false;
    if (isFlood) this.floods.add(tenant);
    else this.floods.delete(tenant);
    return true;
  }

  /** Answers whether it is asked of this tenant what comes of its requests. */
  noteHandled(tenant: string): boolean {
    const excess = this.excess.get(tenant);
    if (excess === undefined) return false;
    excess.handled += 1;
    return true;
  }

  noteRefused(tenant: string): void {
    const excess = this.excess.get(tenant);
    if (excess !== undefined) excess.refused += 1;
  }

  /** Nothing of the tenant waits any more. */
  noteDrained(tenant: string): void {
    this.excess.delete(tenant);
    this.floods.delete(tenant);
  }
}
