/**
 * `call`: stores a task, waits, answers with its committed result.
 *
 * With an own id the waiter stands before anything is published or looked up, so that no result is
 * missed; without one, the id comes with the publish acknowledgement (see ResultWaiters).
 */
import type {
  BodyFormat,
  Clock,
  ErrorBody,
  Logger,
  ServerTime,
  TaskTerms,
  TenantId,
  TenantTask,
} from '@llmos/base';
import { STREAMS, WIRE_LIMITS, errorBody, taskIdOfSequence, toErrorBody } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { KernelCounters } from '../ports/kernel-counters';
import type {
  Answering,
  AskedTask,
  ForeignRequest,
  RequestLink,
  ServedRequests,
} from '../ports/request-link';
import type { ResultStore, StoredResult } from '../ports/result-store';
import type { TaskPublisher } from '../ports/task-publisher';
import type { TaskToStore } from './ahead-publisher';
import type { ResultWaiters, WaitOutcome } from './result-waiters';
import type { DeliveredAnswers } from './delivered-answers';
import type { OwnIdContext } from './own-id';
import { checkIdResult, checkIdUse } from './own-id';
import type { StoredIds } from './stored-ids';
import { deadlineOf } from './task-intake';
import type { TaskRequest, TaskRequestContext } from './task-request';
import { checkTaskRequest } from './task-request';

export interface CallServiceOptions {
  readonly requests: RequestLink;
  readonly publisher: TaskPublisher;
  readonly results: Pick<ResultStore, 'readForTask'>;
  readonly waiters: ResultWaiters;
  /** What a later `submit` of the same id is told by. */
  readonly storedIds: StoredIds;
  readonly delivered: DeliveredAnswers;
  readonly heldIdentity: OwnIdContext['heldIdentity'];
  readonly context: TaskRequestContext;
  readonly counters: KernelCounters;
  readonly log: Logger;
  readonly clock: Clock;
  readonly time: Pick<ServerTime, 'wallMs'>;
}

export function startCallService(options: CallServiceOptions): ServedRequests {
  const service = new CallService(options);
  return options.requests.serve('call', (request) => service.handle(request));
}

class CallService {
  constructor(private readonly options: CallServiceOptions) {}

  handle(request: ForeignRequest<AskedTask>): void {
    const outcome = checkTaskRequest(request.read(), 'interactive', this.options.context);
    if (outcome.kind === 'refused') return this.refuse(request, outcome.error, outcome.format);
    const { terms, of } = outcome.request;
    const { tenant } = of;
    if (this.options.waiters.isFull(tenant)) {
      return this.refuse(request, this.tooManyWaiters(tenant), terms.format);
    }
    const use = checkIdUse(this.options, outcome.request);
    if (use.kind === 'misused') return this.refuse(request, use.error, terms.format);
    const called: TaskRequest = { ...outcome.request, terms: callTerms(terms, use.isNew) };
    const call = new PendingCall({
      asked: request.answering(),
      of,
      terms,
      identity: outcome.request.identity,
      isIdNew: use.isNew,
      waitMs: this.waitMsOf(called.terms),
      service: this.options,
    });
    this.run(call, called);
  }

  private run(call: PendingCall, request: TaskRequest): void {
    const { of, class: taskClass, terms, body } = request;
    const subject = { tenant: of.tenant, function: of.function, class: taskClass };
    void call.run({ subject, terms, body }).catch((error: unknown) => {
      this.refuse(call.asked, toErrorBody(error), call.format);
    });
  }

  private waitMsOf(limits: { timeoutMs?: number; deadlineWallMs?: number }): number {
    // `Llmos-Deadline` is a point in time of the server.
    const wallMs = this.options.time.wallMs();
    const leftMs = (deadlineOf(limits, wallMs) ?? wallMs) - wallMs;
    return Math.min(Math.max(0, leftMs), WIRE_LIMITS.maxTimeoutMs);
  }

  private tooManyWaiters(tenant: TenantId): ErrorBody {
    const { maxWaiters, maxWaitersPerTenant } = EDGE_LIMITS;
    const message =
      `calls wait for their results already, as many as may: ` +
      `${maxWaitersPerTenant} of tenant ${tenant}, or ${maxWaiters} of all`;
    const details = { retryAfterMs: EDGE_LIMITS.retryAfterMs };
    return errorBody('RESOURCE_EXHAUSTED', message, { details });
  }

  private refuse(asked: Answering, error: ErrorBody, format: BodyFormat): void {
    this.options.counters.add('requests_refused', error.code);
    this.options.log.debug('call-refused', { subject: asked.label, error });
    asked.answer({ kind: 'refused', error, format });
  }
}

/** A call that says nothing of it ends within the usual time, and its answer is kept briefly. */
function callTerms(asked: TaskTerms, isIdNew: boolean): TaskTerms {
  const isBounded = asked.timeoutMs !== undefined || asked.deadlineWallMs !== undefined;
  // Nobody can ask for it again: no id was chosen, and the answer names none.
  const isForgotten = asked.id === undefined && asked.keepMs === undefined;
  return {
    ...asked,
    isIdNew,
    ...(isBounded ? {} : { timeoutMs: WIRE_LIMITS.defaultCallTimeoutMs }),
    ...(isForgotten ? { keepMs: WIRE_LIMITS.answerKeepMs } : {}),
  };
}

/** For as long as it waits it holds what its answer needs, and nothing else of the request. */
class PendingCall {
  private isSettled = false;

  constructor(
    private readonly parts: Pick<TaskRequest, 'of' | 'terms'> & {
      readonly identity: TaskRequest['identity'] | undefined;
      readonly asked: Answering;
      readonly isIdNew: boolean;
      readonly waitMs: number;
      readonly service: CallServiceOptions;
    },
  ) {}

  get asked(): Answering {
    return this.parts.asked;
  }

  get format(): BodyFormat {
    return this.parts.terms.format;
  }

  run(task: TaskToStore): Promise<void> {
    const isNamed = this.parts.terms.id !== undefined;
    return isNamed ? this.runNamed(task) : this.runUnnamed(task);
  }

  private async runUnnamed(task: TaskToStore): Promise<void> {
    const { waiters, publisher } = this.parts.service;
    waiters.expectUnnamed();
    try {
      const { sequence } = await publisher.publish(task);
      this.wait({ tenant: this.parts.of.tenant, task: taskIdOfSequence(sequence) });
    } finally {
      waiters.endUnnamed();
    }
  }

  private async runNamed(task: TaskToStore): Promise<void> {
    const { terms, identity, service, isIdNew } = this.parts;
    const { id, keepMs } = terms;
    if (id === undefined || identity === undefined) return;
    const of: TenantTask = { tenant: this.parts.of.tenant, task: id };
    const stopWaiting = this.wait(of);
    try {
      // A repeated call finds the result of the first one; both requests travel together.
      const stored = service.publisher
        .publish(task)
        .then(({ sequence }) => service.storedIds.note(of, { sequence, identity, keepMs }));
      const reading = isIdNew ? undefined : this.readEarlier(of);
      const [, earlier] = await Promise.all([stored, reading]);
      // A refusal is that of an earlier try: this one is judged anew.
      if (earlier !== undefined && earlier.refusedSequence === undefined) {
        service.waiters.onResult(of, earlier);
      }
    } catch (error) {
      if (this.isSettled) return;
      this.isSettled = true;
      stopWaiting();
      throw error;
    }
  }

  private async readEarlier(of: TenantTask): Promise<StoredResult | undefined> {
    try {
      return await this.parts.service.results.readForTask(of);
    } catch (error) {
      // The waiters' sweep looks again.
      this.parts.service.log.warn('result-look-up-failed', { task: of.task, error });
      return undefined;
    }
  }

  private wait(of: TenantTask): () => void {
    const { service, waitMs } = this.parts;
    // The core ends an expired task first, with the error that everyone then reads.
    const untilMs = service.clock.nowMs() + waitMs + EDGE_LIMITS.waiterGraceMs;
    const settle = (outcome: WaitOutcome): void => this.settle(of, outcome);
    return service.waiters.add({ of, untilMs, settle });
  }

  private settle(of: TenantTask, outcome: WaitOutcome): void {
    if (this.isSettled) return;
    this.isSettled = true;
    const { asked, service } = this.parts;
    const misused =
      outcome.kind === 'result' ? checkIdResult(this.parts, outcome.result) : undefined;
    if (outcome.kind === 'result' && misused === undefined) {
      service.counters.add('requests', 'call');
      const { body, format, place, refusedSequence } = outcome.result;
      asked.answer({ kind: 'result', body, format });
      const isShort = place?.stream === STREAMS.answers && refusedSequence === undefined;
      if (isShort) service.delivered.note(place, body.length);
      return;
    }
    const error = misused ?? this.unanswered(of, outcome.kind);
    service.counters.add('requests_refused', error.code);
    const kind = misused === undefined ? 'unanswered' : 'refused';
    asked.answer({ kind, error, format: this.format });
  }

  private unanswered(of: TenantTask, kind: WaitOutcome['kind']): ErrorBody {
    const details = { task: of.task };
    return kind === 'stopping'
      ? errorBody('UNAVAILABLE', `this kernel stops; task ${of.task} goes on`, { details })
      : errorBody('DEADLINE_EXCEEDED', `task ${of.task} has no result in time`, { details });
  }
}
