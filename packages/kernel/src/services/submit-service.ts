/** `submit`: checks a task, stores it, answers its id. */
import type { ErrorBody, Logger, TaskId, TenantId, TenantTask } from '@llmos/base';
import { LlmosError, taskIdOfSequence, toErrorBody } from '@llmos/base';
import type { KernelCounters } from '../ports/kernel-counters';
import type { Answering, RequestLink, ServedRequests } from '../ports/request-link';
import type { StoredResult } from '../ports/result-store';
import type { StoredTask, TaskPublisher } from '../ports/task-publisher';
import type { OwnIdContext } from './own-id';
import { checkIdResult, checkIdUse } from './own-id';
import type { StoredIds } from './stored-ids';
import type { TaskRequest, TaskRequestContext } from './task-request';
import { checkTaskRequest } from './task-request';

export interface SubmitServiceOptions {
  readonly requests: RequestLink;
  readonly publisher: TaskPublisher;
  readonly context: TaskRequestContext;
  readonly counters: KernelCounters;
  readonly log: Logger;
  readonly readResult: (of: TenantTask) => Promise<StoredResult | undefined>;
  readonly storedIds: StoredIds;
  readonly heldIdentity: OwnIdContext['heldIdentity'];
  /** Whether this kernel leads and holds the task; a follower can't know. */
  readonly isHeld: (tenant: TenantId, task: TaskId) => boolean;
}

export function startSubmitService(options: SubmitServiceOptions): ServedRequests {
  return options.requests.serve('submit', (request) => {
    const outcome = checkTaskRequest(request.read(), 'standard', options.context);
    if (outcome.kind === 'refused') return refuse(options, request, outcome.error);
    const use = checkIdUse(options, outcome.request);
    if (use.kind === 'misused') return refuse(options, request, use.error);
    answerOnceStored(options, request.answering(), submit(options, outcome.request, use.isNew));
  });
}

function answerOnceStored(
  options: SubmitServiceOptions,
  asked: Answering,
  submitted: Promise<object>,
): void {
  submitted.then(
    (output) => {
      options.counters.add('requests', 'submit');
      asked.answer({ kind: 'output', output });
    },
    (error: unknown) => refuse(options, asked, toErrorBody(error)),
  );
}

async function submit(
  options: SubmitServiceOptions,
  asked: TaskRequest,
  isIdNew: boolean,
): Promise<object> {
  const request = { ...asked, terms: { ...asked.terms, isIdNew } };
  const { identity } = request;
  const { id } = request.terms;
  if (id === undefined || identity === undefined) {
    const { sequence } = await publish(options, request);
    return { task: taskIdOfSequence(sequence), sequence, duplicate: false };
  }
  const of: TenantTask = { tenant: request.of.tenant, task: id };
  const isHeld = options.isHeld(of.tenant, id);
  const [stored, earlier] = await Promise.all([
    publish(options, request).then(({ sequence }) => ({
      sequence,
      ...options.storedIds.note(of, { sequence, identity, keepMs: request.terms.keepMs }),
    })),
    // Only for the answer's `duplicate`: the task is stored whether or not this is known.
    isHeld || isIdNew ? undefined : options.readResult(of).catch(() => undefined),
  ]);
  const ended = earlier?.refusedSequence === undefined ? earlier : undefined;
  const misused = ended === undefined ? undefined : checkIdResult(request, ended);
  if (misused !== undefined) throw LlmosError.fromBody(misused);
  const duplicate = isHeld || stored.isRepeated || ended !== undefined;
  return { task: id, sequence: stored.sequence, duplicate };
}

function publish(options: SubmitServiceOptions, request: TaskRequest): Promise<StoredTask> {
  const { of, terms, body } = request;
  const subject = { ...of, class: request.class };
  return options.publisher.publish({ subject, terms, body });
}

function refuse(options: SubmitServiceOptions, asked: Answering, error: ErrorBody): void {
  options.counters.add('requests_refused', error.code);
  options.log.debug('submit-refused', { subject: asked.label, error });
  asked.answer({ kind: 'refused', error, format: 'json' });
}
