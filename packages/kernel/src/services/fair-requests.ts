/**
 * Hands requests on with the tenants in turn: one that sends thousands at once is handled between
 * those of others, not before them, and timers and the lease get their turns in between.
 *
 * So many requests are handled as they come in each turn of the event loop. What comes beyond
 * waits, in the order of each tenant whatever it asks, and goes on in the next turns, one of each
 * tenant after the other. Who sends more than may wait is told at once.
 *
 * Who has nothing in line is handled at once all the same: a few requests in each turn. While more
 * than one tenant asks, a long line of bursts has a tenth of the event loop, and floods have next
 * to nothing of it, in a line of their own: acknowledgements, reports and results of the others
 * come through the same loop, several for each of their calls, and what each request of a flood
 * leaves behind to store, to answer and to collect takes far longer than to read it.
 */
import { Tally, errorBody } from '@llmos/base';
import type { Logger } from '@llmos/base';
import type { KernelCounters } from '../ports/kernel-counters';
import type {
  Answering,
  ForeignRequest,
  Refusal,
  RequestKind,
  RequestKinds,
  RequestLink,
  RequestOutcome,
  RequestReading,
  ServedRequests,
} from '../ports/request-link';
import type { FloodLimits } from './flood-watch';
import { FloodWatch } from './flood-watch';
import type { LinePace, RequestLineOptions, WaitingRequest } from './request-line';
import { RequestLine } from './request-line';

export interface FairRequestsLimits extends FloodLimits {
  /** Handled in one turn of the event loop. */
  readonly requestsPerTurn: number;
  /** Of them, those of one tenant that has nothing in line while others have. */
  readonly requestsPastLine: number;
  /** More in line are handled slowly while several tenants ask. */
  readonly longLine: number;
  /** So many in one go. */
  readonly slowPerTurn: number;
  /** Then the loop is left to everything else, for so many times as long as that took. */
  readonly burstPauseFactor: number;
  readonly floodPauseFactor: number;
  readonly maxLinePauseMs: number;
  readonly maxWaitingRequests: number;
  readonly maxWaitingRequestBytes: number;
  /** Of one tenant that has something in line, while several ask. */
  readonly maxTenantRequestBytes: number;
  readonly retryAfterMs: number;
}

export interface FairRequestsOptions extends Pick<
  RequestLineOptions,
  'nextTurn' | 'later' | 'clock'
> {
  readonly inner: RequestLink;
  readonly limits: FairRequestsLimits;
  readonly counters: Pick<KernelCounters, 'add'>;
  readonly log: Logger;
}

export class FairRequests implements RequestLink {
  private readonly line: RequestLine;
  private readonly floodLine: RequestLine;
  private readonly floods: FloodWatch;
  /** Since the event loop turned last: in all, and by tenant. */
  private handled = 0;
  private handledOf = new Tally<string>();
  /** What who sends too much is told in this turn: written once. */
  private readonly refusals = new Map<string, Refusal>();
  private isTurnDue = false;
  private isFinishing = false;
  private isClosed = false;

  constructor(private readonly options: FairRequestsOptions) {
    const { limits, clock } = options;
    this.floods = new FloodWatch(limits, clock);
    const shared = { ...options, maxPauseMs: limits.maxLinePauseMs };
    this.line = new RequestLine({
      ...shared,
      pace: (waiting) => this.paceOf(waiting > limits.longLine, limits.burstPauseFactor),
      handle: (each) => this.handleWaiting(each),
    });
    this.floodLine = new RequestLine({
      ...shared,
      pace: () => this.paceOf(true, limits.floodPauseFactor),
      handle: (each) => this.handleWaiting(each),
    });
  }

  maxAnswerBytes(): number {
    return this.options.inner.maxAnswerBytes();
  }

  heard(): Promise<void> {
    return this.options.inner.heard();
  }

  /** What waits when it is stopped is handled in its turn: it was taken from the server already. */
  serve<Kind extends RequestKind>(
    kind: Kind,
    handle: (request: ForeignRequest<RequestKinds[Kind]>) => void,
  ): ServedRequests {
    // Whatever comes of this kind is handled by this handler.
    const handleAny = handle as WaitingRequest['handle'];
    return this.options.inner.serve(kind, (request) =>
      this.take({ tenant: request.owner, request, handle: handleAny }),
    );
  }

  async finish(): Promise<void> {
    this.isFinishing = true;
    // One may move to the other meanwhile.
    while (this.waiting > 0) await Promise.all([this.line.empty(), this.floodLine.empty()]);
  }

  refuseRest(): void {
    this.isClosed = true;
    for (const line of [this.line, this.floodLine]) {
      for (const each of line.takeAll()) this.refuseLate(each);
    }
  }

  private get waiting(): number {
    return this.line.size + this.floodLine.size;
  }

  private take(each: WaitingRequest): void {
    if (this.isClosed) return this.refuseLate(each);
    const { tenant } = each;
    this.floods.noteAsked(tenant);
    if (this.mayGoAtOnce(tenant)) {
      this.countHandled(tenant);
      this.handle(each);
    } else if (this.isBeyond(each)) {
      this.judge(tenant);
      this.refuse(each);
    } else if (this.isFull(each)) {
      this.refuse(each);
    } else this.lineOf(tenant).push({ ...each, request: each.request.own() });
  }

  private lineOf(tenant: string): RequestLine {
    return this.floods.isFlood(tenant) ? this.floodLine : this.line;
  }

  /** While nobody else asks, everything has its full pace. */
  private paceOf(isSlow: boolean, pauseFactor: number): LinePace {
    const { requestsPerTurn, slowPerTurn } = this.options.limits;
    const isPaced = isSlow && this.floods.isContested() && !this.isFinishing;
    return isPaced
      ? { perTurn: slowPerTurn, pauseFactor }
      : { perTurn: requestsPerTurn, pauseFactor: 0 };
  }

  /** Nothing overtakes what its tenant has in line. */
  private mayGoAtOnce(tenant: string): boolean {
    const { limits } = this.options;
    if (this.handled >= limits.requestsPerTurn) return false;
    if (this.waiting === 0) return true;
    const hasNoLine = this.lineOf(tenant).sizeOf(tenant) === 0;
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

  private handle({ request, handle }: WaitingRequest): void {
    try {
      handle(request);
    } catch (error) {
      this.options.log.error('request-failed', { subject: request.label, error });
      const mistake = errorBody('INTERNAL', 'the request can’t be handled, by a mistake of llmos');
      request.answer({ kind: 'refused', error: mistake, format: 'json' });
    }
  }

  private handleWaiting(each: WaitingRequest): void {
    const { tenant, request } = each;
    if (this.lineOf(tenant).sizeOf(tenant) === 0) this.floods.noteDrained(tenant);
    if (!this.floods.noteHandled(tenant)) return this.handle(each);
    const noted = new NotedRequest(request, () => this.floods.noteRefused(tenant));
    this.handle({ ...each, request: noted });
    // One that keeps within its line now is judged all the same.
    if (this.floods.isFlood(tenant)) this.judge(tenant);
  }

  /** A request of this tenant is more than may wait. */
  private isBeyond({ tenant, request }: WaitingRequest): boolean {
    const { limits } = this.options;
    const line = this.lineOf(tenant);
    const waiting = line.sizeOf(tenant);
    if (waiting >= this.floods.mostOf(tenant)) return true;
    if (waiting === 0 || !this.floods.isContested()) return false;
    return line.bytesOf(tenant) + request.bytes > limits.maxTenantRequestBytes;
  }

  /** Whoever becomes a flood, or ends being one, takes along what it has in line. */
  private judge(tenant: string): void {
    const before = this.lineOf(tenant);
    if (!this.floods.judge(tenant)) return;
    const isFlood = this.floods.isFlood(tenant);
    const fields = { tenant: tenant.slice(0, 256) };
    if (isFlood) this.options.log.warn('request-flood', fields);
    else this.options.log.info('request-flood-over', fields);
    const after = this.lineOf(tenant);
    for (const each of before.takeAllOf(tenant)) after.push(each);
  }

  private isFull({ request }: WaitingRequest): boolean {
    const { limits } = this.options;
    const bytes = this.line.bytes + this.floodLine.bytes + request.bytes;
    return this.waiting >= limits.maxWaitingRequests || bytes > limits.maxWaitingRequestBytes;
  }

  private refuse({ request, tenant }: WaitingRequest): void {
    this.options.counters.add('requests_refused', 'RESOURCE_EXHAUSTED');
    let refusal = this.refusals.get(tenant);
    if (refusal === undefined) {
      refusal = this.refusalOf(tenant);
      this.refusals.set(tenant, refusal);
      this.turnSoon();
    }
    request.answer(refusal);
  }

  private refuseLate({ request }: WaitingRequest): void {
    this.options.counters.add('requests_refused', 'UNAVAILABLE');
    request.answer(STOPPING);
  }

  private refusalOf(tenant: string): Refusal {
    const error = errorBody(
      'RESOURCE_EXHAUSTED',
      `${this.lineOf(tenant).sizeOf(tenant)} requests of this tenant wait to be read, ` +
        `${this.waiting} of all tenants`,
      { details: { retryAfterMs: this.options.limits.retryAfterMs } },
    );
    return { kind: 'refused', error, format: 'json', isShared: true };
  }
}

const STOPPING: Refusal = {
  kind: 'refused',
  error: errorBody('UNAVAILABLE', 'this kernel stops: ask again'),
  format: 'json',
  isShared: true,
};

/** A request of which it is noted that it was wrong. */
class NotedRequest implements ForeignRequest<unknown> {
  constructor(
    private readonly inner: ForeignRequest<unknown>,
    private readonly noteWrong: () => void,
  ) {}

  get label(): string {
    return this.inner.label;
  }

  get owner(): string {
    return this.inner.owner;
  }

  get bytes(): number {
    return this.inner.bytes;
  }

  read(): RequestReading<unknown> {
    return this.inner.read();
  }

  answer(outcome: RequestOutcome): void {
    this.answering().answer(outcome);
  }

  /** Apart from the request: who waits for its outcome holds this for long, and nothing else of it. */
  answering(): Answering {
    const { noteWrong } = this;
    const answering = this.inner.answering();
    return {
      label: answering.label,
      answer: (outcome) => {
        // What may succeed later is no wrong request.
        if (outcome.kind === 'refused' && !outcome.error.retryable) noteWrong();
        answering.answer(outcome);
      },
    };
  }

  own(): ForeignRequest<unknown> {
    return new NotedRequest(this.inner.own(), this.noteWrong);
  }
}
