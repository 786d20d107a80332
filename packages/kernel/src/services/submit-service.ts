/** `llmos.v1.submit.<tenant>.<function>`: checks a task, stores it, answers its id. */
import type { ErrorBody, Logger, TaskId, TenantId, TenantTask } from '@llmos/base';
import { encodeJson, failure, patterns, success, taskIdOfSequence, toErrorBody } from '@llmos/base';
import type { KernelCounters } from '../ports/kernel-counters';
import type { ForeignRequest, RequestLink, ServedSubject } from '../ports/request-link';
import type { StoredResult } from '../ports/result-store';
import type { TaskPublisher } from '../ports/task-publisher';
import type { TaskRequest, TaskRequestContext } from './task-request';
import { readTaskRequest } from './task-request';

/** Any kernel answers: requests are spread over all of them. */
export const KERNEL_QUEUE = 'kernels';

export interface SubmitServiceOptions {
  readonly requests: RequestLink;
  readonly publisher: TaskPublisher;
  readonly context: TaskRequestContext;
  readonly counters: KernelCounters;
  readonly log: Logger;
  readonly readResult: (of: TenantTask) => Promise<StoredResult | undefined>;
  /** Whether this kernel leads and holds the task; a follower can't know. */
  readonly isHeld: (tenant: TenantId, task: TaskId) => boolean;
}

export function startSubmitService(options: SubmitServiceOptions): ServedSubject {
  return options.requests.serve({
    pattern: patterns.submits,
    queue: KERNEL_QUEUE,
    handle: (request) => {
      const { subject, header, body } = request;
      const outcome = readTaskRequest({ kind: 'submit', subject, header, body }, options.context);
      if (outcome.kind === 'refused') return refuse(options, request, outcome.error);
      submit(options, outcome.request).then(
        (answer) => {
          options.counters.add('requests', 'submit');
          request.answer(encodeJson(success(answer)));
        },
        (error: unknown) => refuse(options, request, toErrorBody(error)),
      );
    },
  });
}

async function submit(options: SubmitServiceOptions, request: TaskRequest): Promise<object> {
  const { of, headers, forwarded, body } = request;
  const { tenant } = of;
  const { id } = headers;
  const isHeld = id !== undefined && options.isHeld(tenant, id);
  const earlier = id === undefined || isHeld ? undefined : options.readResult({ tenant, task: id });
  const [stored, result] = await Promise.all([
    options.publisher.publish({
      subject: { ...of, class: request.class },
      headers: forwarded,
      body,
    }),
    // Only for the answer's `duplicate`: the task is stored whether or not this is known.
    earlier?.catch(() => undefined),
  ]);
  return {
    task: id ?? taskIdOfSequence(stored.sequence),
    sequence: stored.sequence,
    duplicate: isHeld || result !== undefined,
  };
}

function refuse(options: SubmitServiceOptions, request: ForeignRequest, error: ErrorBody): void {
  options.counters.add('requests_refused', error.code);
  options.log.debug('submit-refused', { subject: request.subject.slice(0, 256), error });
  request.answer(encodeJson(failure(error)));
}
