/**
 * Hands requests on with the tenants in turn: one that sends thousands at once is handled between
 * those of others, not before them, and timers and the lease get their turns in between.
 *
 * So many requests are handled as they come in each turn of the event loop. What comes beyond
 * waits, in the order of each tenant whatever it asks, and goes on in the next turns, one of each
 * tenant after the other. Who sends more than may wait is told at once.
 */
import type { Logger } from '@llmos/base';
import { FairFifo, encodeJson, errorBody, failure } from '@llmos/base';
import type { KernelCounters } from '../ports/kernel-counters';
import type { ForeignRequest, RequestLink, ServedSubject } from '../ports/request-link';

type Serve = Parameters<RequestLink['serve']>[0];

export interface FairRequestsLimits {
  /** Handled in one turn of the event loop. */
  readonly requestsPerTurn: number;
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
  readonly counters: Pick<KernelCounters, 'add'>;
  readonly log: Logger;
}

interface Waiting {
  readonly request: ForeignRequest;
  readonly handle: Serve['handle'];
}

export class FairRequests implements RequestLink {
  private readonly waiting = new FairFifo<string, Waiting>();
  private waitingBytes = 0;
  /** Since the event loop turned last. */
  private handled = 0;
  private isTurning = false;

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

  private take(each: Waiting): void {
    const { limits, nextTurn } = this.options;
    if (!this.isTurning) {
      this.isTurning = true;
      nextTurn(() => this.turn());
    }
    if (this.waiting.size === 0 && this.handled < limits.requestsPerTurn) {
      this.handled += 1;
      return this.handle(each);
    }
    const { request } = each;
    const tenant = tenantOf(request.subject);
    if (this.isFull(tenant, request)) return this.refuse(request, tenant);
    this.waiting.push(tenant, each);
    this.waitingBytes += request.body.length;
  }

  private turn(): void {
    const { limits, nextTurn } = this.options;
    this.handled = 0;
    while (this.handled < limits.requestsPerTurn && this.waiting.size > 0) {
      this.handled += 1;
      this.handleNext();
    }
    this.isTurning = this.handled > 0;
    if (this.isTurning) nextTurn(() => this.turn());
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
    return (
      this.waiting.size >= limits.maxWaitingRequests ||
      this.waiting.sizeOf(tenant) >= limits.maxWaitingRequestsPerTenant ||
      this.waitingBytes + request.body.length > limits.maxWaitingRequestBytes
    );
  }

  private refuse(request: ForeignRequest, tenant: string): void {
    this.options.counters.add('requests_refused', 'RESOURCE_EXHAUSTED');
    const error = errorBody(
      'RESOURCE_EXHAUSTED',
      `${this.waiting.sizeOf(tenant)} requests of this tenant wait to be read, ` +
        `${this.waiting.size} of all tenants`,
      { details: { retryAfterMs: this.options.limits.retryAfterMs } },
    );
    request.answer(encodeJson(failure(error)));
  }
}

/** `llmos.v1.KIND.TENANT.…`; whatever else it is, it is one owner's. */
function tenantOf(subject: string): string {
  return subject.split('.', 4)[3] ?? '';
}
