/**
 * `llmos.v1.call.<tenant>.<function>`: stores a task, waits, answers with its committed result.
 *
 * With an own id the waiter stands before anything is published or looked up, so that no result is
 * missed; without one, the id comes with the publish acknowledgement (see ResultWaiters).
 */
import type {
  BodyFormat,
  Clock,
  ErrorBody,
  Logger,
  Result,
  ServerTime,
  TenantId,
  TenantTask,
} from '@llmos/base';
import {
  HEADERS,
  STREAMS,
  WIRE_LIMITS,
  errorBody,
  failure,
  patterns,
  taskIdOfSequence,
  toErrorBody,
} from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { KernelCounters } from '../ports/kernel-counters';
import type { Answering, ForeignRequest, RequestLink, ServedSubject } from '../ports/request-link';
import type { ResultStore, StoredResult } from '../ports/result-store';
import type { TaskPublisher } from '../ports/task-publisher';
import type { ResultWaiters, WaitOutcome } from './result-waiters';
import type { DeliveredAnswers } from './delivered-answers';
import type { OwnIdContext } from './own-id';
import { checkIdResult, checkIdUse } from './own-id';
import type { StoredIds } from './stored-ids';
import { KERNEL_QUEUE } from './submit-service';
import { deadlineOf } from './task-intake';
import type { TaskRequest, TaskRequestContext } from './task-request';
import { readTaskRequest } from './task-request';

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
  readonly encodeResult: (
    result: Result,
    format: BodyFormat,
  ) => { readonly body: Uint8Array; readonly contentType?: string };
}

export function startCallService(options: CallServiceOptions): ServedSubject {
  const service = new CallService(options);
  return options.requests.serve({
    pattern: patterns.calls,
    queue: KERNEL_QUEUE,
    handle: (request) => service.handle(request),
  });
}

class CallService {
  constructor(private readonly options: CallServiceOptions) {}

  handle(request: ForeignRequest): void {
    const { subject, header, body } = request;
    const outcome = readTaskRequest({ kind: 'call', subject, header, body }, this.options.context);
    if (outcome.kind === 'refused') return this.refuse(request, outcome.error, outcome.format);
    const { headers, forwarded } = outcome.request;
    const { tenant } = outcome.request.of;
    if (this.options.waiters.isFull(tenant)) {
      return this.refuse(request, this.tooManyWaiters(tenant), headers.format);
    }
    const limits =
      headers.timeoutMs === undefined && headers.deadlineWallMs === undefined
        ? { timeoutMs: WIRE_LIMITS.defaultCallTimeoutMs }
        : headers;
    const use = checkIdUse(this.options, outcome.request);
    if (use.kind === 'misused') return this.refuse(request, use.error, headers.format);
    if (!use.isNew) forwarded.delete(HEADERS.isIdNew);
    if (limits !== headers) forwarded.set(HEADERS.timeoutMs, String(limits.timeoutMs));
    if (headers.id === undefined && headers.keepMs === undefined) {
      // Nobody can ask for it again: no id was chosen, and this answer names none.
      forwarded.set(HEADERS.keepMs, String(WIRE_LIMITS.answerKeepMs));
    }
    const waitMs = this.waitMsOf(limits);
    // For as long as it waits it holds neither the request nor the body.
    const { answer, refuse } = request;
    const { body: taskBody, ...task } = outcome.request;
    const call = new PendingCall({
      answering: { answer, refuse },
      task,
      isIdNew: use.isNew,
      waitMs,
      service: this.options,
    });
    void call.run(taskBody).catch((error: unknown) => {
      this.refuse(request, toErrorBody(error), headers.format);
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

  private refuse(request: ForeignRequest, error: ErrorBody, format: BodyFormat): void {
    this.options.counters.add('requests_refused', error.code);
    this.options.log.debug('call-refused', { subject: request.subject.slice(0, 256), error });
    request.refuse(error, this.options.encodeResult(failure(error), format).body, format);
  }
}

class PendingCall {
  private isSettled = false;

  constructor(
    private readonly parts: {
      readonly answering: Answering;
      readonly task: Omit<TaskRequest, 'body'>;
      readonly isIdNew: boolean;
      readonly waitMs: number;
      readonly service: CallServiceOptions;
    },
  ) {}

  run(body: Uint8Array): Promise<void> {
    const isNamed = this.parts.task.headers.id !== undefined;
    return isNamed ? this.runNamed(body) : this.runUnnamed(body);
  }

  private async runUnnamed(body: Uint8Array): Promise<void> {
    const { waiters } = this.parts.service;
    waiters.expectUnnamed();
    try {
      const { sequence } = await this.publish(body);
      this.wait({ tenant: this.parts.task.of.tenant, task: taskIdOfSequence(sequence) });
    } finally {
      waiters.endUnnamed();
    }
  }

  private async runNamed(body: Uint8Array): Promise<void> {
    const { task, service, isIdNew } = this.parts;
    const { id } = task.headers;
    const { identity } = task;
    if (id === undefined || identity === undefined) return;
    const of: TenantTask = { tenant: task.of.tenant, task: id };
    const stopWaiting = this.wait(of);
    try {
      // A repeated call finds the result of the first one; both requests travel together.
      const stored = this.publish(body).then(({ sequence }) =>
        service.storedIds.note(of, { sequence, identity, keepMs: task.headers.keepMs }),
      );
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

  private publish(body: Uint8Array): Promise<{ readonly sequence: number }> {
    const { task, service } = this.parts;
    return service.publisher.publish({
      subject: { tenant: task.of.tenant, function: task.of.function, class: task.class },
      headers: task.forwarded,
      body,
    });
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
    const { answering, service, task } = this.parts;
    const misused = outcome.kind === 'result' ? checkIdResult(task, outcome.result) : undefined;
    if (outcome.kind === 'result' && misused === undefined) {
      service.counters.add('requests', 'call');
      const { body, format, place, refusedSequence } = outcome.result;
      answering.answer(body, format);
      const isShort = place?.stream === STREAMS.answers && refusedSequence === undefined;
      if (isShort) service.delivered.note(place, body.length);
      return;
    }
    const error = misused ?? this.unanswered(of, outcome.kind);
    service.counters.add('requests_refused', error.code);
    const { format } = task.headers;
    const { body } = service.encodeResult(failure(error), format);
    // That there was no result in time says nothing against the request.
    if (misused === undefined) answering.answer(body, format);
    else answering.refuse(error, body, format);
  }

  private unanswered(of: TenantTask, kind: WaitOutcome['kind']): ErrorBody {
    const details = { task: of.task };
    return kind === 'stopping'
      ? errorBody('UNAVAILABLE', `this kernel stops; task ${of.task} goes on`, { details })
      : errorBody('DEADLINE_EXCEEDED', `task ${of.task} has no result in time`, { details });
  }
}
