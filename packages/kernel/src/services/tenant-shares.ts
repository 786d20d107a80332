/**
 * What each tenant has stored in one store of results, known while the store is getting full.
 *
 * Counting all the time would cost memory for every result; while there is room for everybody,
 * nobody needs to know. So the store is counted once it is nearly full, again every now and then
 * (what left meanwhile is only known by that), and in between what is stored is added: but never
 * more than the store has grown by, since delivered answers leave as fast as they come.
 */
import type { ErrorBody, TenantId } from '@llmos/base';
import { errorBody } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import { CORE_LIMITS } from '../limits';
import type { StoredShare } from '../ports/result-store';

export interface StoreLevel {
  readonly stream: string;
  readonly bytes: number;
  /** 0: no limit. */
  readonly maxBytes: number;
}

interface Share extends StoredShare {
  /** Stored since the count; some of it may have left again. */
  addedBytes: number;
}

export class TenantShares {
  private counted: Map<TenantId, Share> | undefined;
  /** Of the store, when the count began. */
  private countedLevelBytes = 0;
  private countAgainAtMs = 0;
  private isCounting = false;
  /** Stored while a count is under way, which may have passed by it. */
  private meanwhile: { readonly tenant: TenantId; readonly bytes: number }[] = [];

  constructor(
    private readonly options: {
      readonly nowMs: () => number;
      readonly wallMs: () => number;
      /** How long the store keeps what nobody deletes. */
      readonly maxAgeMs: number;
      /** Reads the whole store; rejects where it could not. */
      readonly count: () => Promise<Map<TenantId, StoredShare>>;
    },
  ) {}

  /** Never rejects. */
  async look(level: StoreLevel): Promise<void> {
    if (!isNearlyFull(level)) {
      this.counted = undefined;
      return;
    }
    const beganMs = this.options.nowMs();
    if (this.isCounting || (this.counted !== undefined && beganMs < this.countAgainAtMs)) return;
    this.isCounting = true;
    this.meanwhile = [];
    try {
      const shares = await this.options.count();
      this.counted = new Map([...shares].map(([name, of]) => [name, { ...of, addedBytes: 0 }]));
      this.countedLevelBytes = level.bytes;
      for (const { tenant, bytes } of this.meanwhile) this.add(tenant, bytes);
    } catch {
      // What was counted before, and added since, counts until the next look.
    }
    this.isCounting = false;
    this.meanwhile = [];
    const endedMs = this.options.nowMs();
    const pauseMs = (endedMs - beganMs) * EDGE_LIMITS.countPauseFactor;
    this.countAgainAtMs = endedMs + Math.max(EDGE_LIMITS.countStoreMs, pauseMs);
  }

  /** Tenants that are remembered. */
  get size(): number {
    return this.counted?.size ?? 0;
  }

  noteStored(tenant: TenantId, bytes: number): void {
    const { maxNotedMeanwhile } = EDGE_LIMITS;
    if (this.isCounting && this.meanwhile.length < maxNotedMeanwhile) {
      this.meanwhile.push({ tenant, bytes });
    }
    if (this.counted !== undefined) this.add(tenant, bytes);
  }

  /** Why this tenant may store no more while others may; undefined where it may. */
  refusalOf(tenant: TenantId, level: StoreLevel): ErrorBody | undefined {
    const share = this.counted?.get(tenant);
    if (share === undefined || !isNearlyFull(level)) return undefined;
    const mostBytes = Math.floor(level.maxBytes * CORE_LIMITS.tenantStoreShare);
    const grownBytes = Math.max(0, level.bytes - this.countedLevelBytes);
    const bytes = share.bytes + Math.min(share.addedBytes, grownBytes);
    if (bytes <= mostBytes) return undefined;
    const freesInMs = share.oldestWallMs + this.options.maxAgeMs - this.options.wallMs();
    return errorBody(
      'RESOURCE_EXHAUSTED',
      `tenant ${tenant} has ${bytes} of ${level.maxBytes} bytes in ${level.stream}; ` +
        `while it is nearly full, a tenant with more than ${mostBytes} stores no more`,
      { details: { retryAfterMs: Math.max(EDGE_LIMITS.resultRoomLookMs, Math.round(freesInMs)) } },
    );
  }

  private add(tenant: TenantId, bytes: number): void {
    const share = this.counted?.get(tenant);
    // Until the next count a store that is nearly full has no room for the share of a new one.
    if (share !== undefined) share.addedBytes += bytes;
  }
}

function isNearlyFull({ bytes, maxBytes }: StoreLevel): boolean {
  return maxBytes > 0 && bytes > maxBytes * CORE_LIMITS.nearlyFullShare;
}
