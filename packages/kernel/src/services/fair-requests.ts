/**
 * Hands requests on with the tenants in turn: one that sends thousands at once is handled between
 * those of others, not before them, and timers and the lease get their turns in between.
 *
 * So many requests are handled as they come in each turn of the event loop. What comes beyond
 * waits, in the order of each tenant whatever it asks, and goes on in the next turns, one of each
 * tenant after the other. Who sends more than may wait is told at once.
 *
 * Who has nothing in line is handled at once all the same: a few requests in each turn. While more
 * than one tenant asks, a line as long as only a flood makes it has a tenth of the event loop:
 * acknowledgements, reports and results of the others come through the same loop, several for
 * each of their calls.
 */
import type { Clock, Logger } from '@llmos/base';
import { FairFifo, Tally, encodeJson, errorBody, failure } from '@llmos/base';
import type { KernelCounters } from '../ports/kernel-counters';
import type { ForeignRequest, RequestLink, ServedSubject } from '../ports/request-link';

type Serve = Parameters<RequestLink['serve']>[0];

const TENANT_TOKEN = 3;

export interface FairRequestsLimits {
  /** Handled in one turn of the event loop. */
  readonly requestsPerTurn: number;
  /** Of them, those of one tenant that has nothing in line while others have. */
  readonly requestsPastLine: number;
  /** More of them are a flood: then so many are handled in one go while several tenants ask. */
  readonly floodedAbove: number;
  readonly floodedPerTurn: number;
  /** Then the loop is left to everything else, for so many times as long as that took. */
  readonly floodedPauseFactor: number;
  /** More of one tenant do not wait while several ask: they would be in line for long. */
  readonly maxFloodRequests: number;
  /** How long several tenants ask after a request of another one than the last. */
  readonly contestedAfterMs: number;
  readonly maxWaitingRequests: number;
  readonly maxWaitingRequestsPerTenant: number;
  readonly maxWaitingRequestBytes: number;
  readonly retryAfterMs: number;
}

export interface FairRequestsOptions {
  readonly inner: RequestLink;
  readonly limits: FairRequestsLimits;
  /** Calls back once the event loop has turned. */
  readonly nextTurn: (go: () => void) => void;
  readonly later: (go: () => void, afterMs: number) => void;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly counters: Pick<KernelCounters, 'add'>;
  readonly log: Logger;
}

interface Drained {
  readonly isFlooded: boolean;
  readonly startMs: number;
}

interface Waiting {
  readonly request: ForeignRequest;
  readonly handle: Serve['handle'];
}

export class FairRequests implements RequestLink {
  private readonly waiting = new FairFifo<string, Waiting>();
  private waitingBytes = 0;
  /** Since the event loop turned last: in all, and by tenant. */
  private handled = 0;
  private handledOf = new Tally<string>();
  /** What who sends too much is told in this turn: written once. */
  private readonly refusals = new Map<string, Uint8Array>();
  private isTurnDue = false;
  private isDrainDue = false;
  private lastTenant: string | undefined;
  private contestedAtMs = Number.NEGATIVE_INFINITY;
  /** What waits is not handled before this. */
  private pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: FairRequestsOptions) {}

  maxAnswerBytes(): number {
    return this.options.inner.maxAnswerBytes();
  }

  /** What waits when it is stopped is handled still: it was taken from the server already. */
  serve(of: Serve): ServedSubject {
    const handle = (request: ForeignRequest): void => this.take({ request, handle: of.handle });
    const served = this.options.inner.serve({ ...of, handle });
    return {
      stop: () => {
        served.stop();
        while (this.waiting.size > 0) this.handleNext();
      },
    };
  }

  heard(): Promise<void> {
    return this.options.inner.heard();
  }

  private take(each: Waiting): void {
    const { request } = each;
    const tenant = tenantOf(request.subject);
    this.noteTenant(tenant);
    if (this.mayGoAtOnce(tenant)) {
      this.countHandled(tenant);
      return this.handle(each);
    }
    if (this.isFull(tenant, request)) return this.refuse(request, tenant);
    this.waiting.push(tenant, each);
    this.waitingBytes += request.body.length;
    this.drainSoon();
  }

  private noteTenant(tenant: string): void {
    if (tenant === this.lastTenant) return;
    if (this.lastTenant !== undefined) this.contestedAtMs = this.options.clock.nowMs();
    this.lastTenant = tenant;
  }

  private isFlooded(): boolean {
    return this.waiting.size > this.options.limits.floodedAbove && this.isContested();
  }

  /** Several tenants ask. */
  private isContested(): boolean {
    const { clock, limits } = this.options;
    return clock.nowMs() - this.contestedAtMs < limits.contestedAfterMs;
  }

  /** Nothing overtakes what its tenant has in line. */
  private mayGoAtOnce(tenant: string): boolean {
    const { limits } = this.options;
    if (this.handled >= limits.requestsPerTurn) return false;
    if (this.waiting.size === 0) return true;
    const hasNoLine = this.waiting.sizeOf(tenant) === 0;
    return hasNoLine && this.handledOf.of(tenant) < limits.requestsPastLine;
  }

  private countHandled(tenant: string): void {
    this.handled += 1;
    this.handledOf.add(tenant);
    this.turnSoon();
  }

  private turnSoon(): void {
    if (this.isTurnDue) return;
    this.isTurnDue = true;
    this.options.nextTurn(() => {
      this.isTurnDue = false;
      this.handled = 0;
      this.handledOf = new Tally();
      this.refusals.clear();
    });
  }

  private drainSoon(): void {
    if (this.isDrainDue || this.waiting.size === 0) return;
    this.isDrainDue = true;
    const { clock, later, nextTurn } = this.options;
    const go = (): void => {
      let drained: Drained = { isFlooded: false, startMs: 0 };
      nextTurn(() => (drained = this.drain()));
      // Behind it in the same turn: what follows from the requests at once is done by then, too.
      nextTurn(() => this.endDrain(drained));
    };
    const pauseMs = this.pausedUntilMs - clock.nowMs();
    if (pauseMs > 0) later(go, pauseMs);
    else go();
  }

  private drain(): Drained {
    const { clock, limits } = this.options;
    const drained = { isFlooded: this.isFlooded(), startMs: clock.nowMs() };
    this.handleMany(drained.isFlooded ? limits.floodedPerTurn : limits.requestsPerTurn);
    return drained;
  }

  private endDrain({ isFlooded, startMs }: Drained): void {
    const nowMs = this.options.clock.nowMs();
    const pauseMs = (nowMs - startMs) * this.options.limits.floodedPauseFactor;
    if (isFlooded) this.pausedUntilMs = nowMs + pauseMs;
    this.isDrainDue = false;
    this.drainSoon();
  }

  private handleMany(most: number): void {
    for (let left = Math.min(most, this.waiting.size); left > 0; left -= 1) this.handleNext();
  }

  private handleNext(): void {
    const next = this.waiting.take();
    if (next === undefined) return;
    this.waitingBytes -= next.request.body.length;
    this.handle(next);
  }

  private handle({ request, handle }: Waiting): void {
    try {
      handle(request);
    } catch (error) {
      this.options.log.error('request-failed', { subject: request.subject.slice(0, 256), error });
    }
  }

  private isFull(tenant: string, request: ForeignRequest): boolean {
    const { limits } = this.options;
    const ofTenant = this.waiting.sizeOf(tenant);
    return (
      this.waiting.size >= limits.maxWaitingRequests ||
      ofTenant >= limits.maxWaitingRequestsPerTenant ||
      (ofTenant >= limits.maxFloodRequests && this.isContested()) ||
      this.waitingBytes + request.body.length > limits.maxWaitingRequestBytes
    );
  }

  private refuse(request: ForeignRequest, tenant: string): void {
    this.options.counters.add('requests_refused', 'RESOURCE_EXHAUSTED');
    let body = this.refusals.get(tenant);
    if (body === undefined) {
      body = this.refusalOf(tenant);
      this.refusals.set(tenant, body);
      this.turnSoon();
    }
    request.answer(body);
  }

  private refusalOf(tenant: string): Uint8Array {
    const error = errorBody(
      'RESOURCE_EXHAUSTED',
      `${this.waiting.sizeOf(tenant)} requests of this tenant wait to be read, ` +
        `${this.waiting.size} of all tenants`,
      { details: { retryAfterMs: this.options.limits.retryAfterMs } },
    );
    return encodeJson(failure(error));
  }
}

/** `llmos.v1.KIND.TENANT.…`; whatever else it is, it is one owner's. */
function tenantOf(subject: string): string {
  let start = 0;
  for (let token = 0; token < TENANT_TOKEN; token += 1) {
    const dot = subject.indexOf('.', start);
    if (dot < 0) return '';
    start = dot + 1;
  }
  const end = subject.indexOf('.', start);
  return subject.slice(start, end < 0 ? undefined : end);
}
