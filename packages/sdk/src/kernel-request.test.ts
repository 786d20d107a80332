import type { ErrorBody, Result } from '@llmos/base';
import { encodeJson, errorBody, failure, seededRandom, success } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import type { TaskId, TenantId } from '@llmos/base';
import type { ClientContext } from './client-context';
import type { KernelRequest } from './kernel-request';
import { requestKernel } from './kernel-request';
import type { RequestOutcome } from './ports/message-link';
import { createMemoryLink, memoryMessage } from './testing';

/** Each attempt takes its outcome from the list; the last one goes on for ever. */
function setUp(outcomes: readonly RequestOutcome[]) {
  const clock = manualClock();
  let next = 0;
  const link = createMemoryLink(() => {
    const outcome = outcomes[Math.min(next, outcomes.length - 1)];
    next += 1;
    if (outcome?.kind === 'silent') clock.advance(1_000);
    return outcome ?? { kind: 'silent' };
  });
  const waits: number[] = [];
  const context: ClientContext = {
    tenant: 't' as TenantId,
    principal: 't' as TenantId,
    timeoutMs: 10_000,
    link,
    stored: {
      readLast: async () => ({ kind: 'absent' }),
      readNext: async () => ({ kind: 'absent' }),
      readStream: async () => ({ kind: 'absent' }),
      purge: async () => ({ kind: 'purged', removed: 0 }),
      remove: async () => ({ kind: 'absent' }),
    },
    clock,
    random: seededRandom(1),
    createDoorbell: () => ({
      ring: () => undefined,
      wait: async (waitMs) => {
        waits.push(waitMs);
        clock.advance(waitMs);
      },
    }),
    newTaskId: () => 'id' as TaskId,
    callerId: () => undefined,
  };
  return { context, link, waits, clock };
}

function answered(result: Result): RequestOutcome {
  return { kind: 'answered', message: memoryMessage('reply', encodeJson(result)) };
}
function refused(error: ErrorBody): RequestOutcome {
  return answered(failure(error));
}
function request(more: Partial<KernelRequest> = {}): KernelRequest {
  return {
    what: 'call of echo',
    subject: 'llmos.v1.call.t.echo',
    body: encodeJson(1),
    headers: () => ({}),
    untilMs: 10_000,
    isIdempotent: true,
    signal: undefined,
    ...more,
  };
}
const busy = errorBody('RESOURCE_EXHAUSTED', 'full', { details: { retryAfterMs: 500 } });

it('asks again while no kernel listens, and answers with the result', async () => {
  const { context, link } = setUp([
    { kind: 'no-responders' },
    { kind: 'no-responders' },
    answered(success(7)),
  ]);
  await expect(requestKernel(context, request())).resolves.toEqual(success(7));
  expect(link.sent.length).toBe(3);
});

it('tells the first attempt from those that may repeat one that was heard', async () => {
  const { context } = setUp([{ kind: 'silent' }, { kind: 'no-responders' }, answered(success(7))]);
  const told: boolean[] = [];
  const headers = (_remainingMs: number, isFirst: boolean): Record<string, string> => {
    told.push(isFirst);
    return {};
  };
  await requestKernel(context, request({ headers }));
  expect(told).toEqual([true, false, false]);
});

it('ends with UNAVAILABLE, naming the subject, where no kernel came in time', async () => {
  const { context, clock } = setUp([{ kind: 'no-responders' }]);
  await expect(requestKernel(context, request())).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    retryable: true,
    message: 'call of echo: no kernel listens on llmos.v1.call.t.echo',
  });
  expect(clock.nowMs()).toBeGreaterThanOrEqual(10_000);
});

it('sends an idempotent request again after silence', async () => {
  const { context, link } = setUp([{ kind: 'silent' }, answered(success(1))]);
  await expect(requestKernel(context, request())).resolves.toEqual(success(1));
  expect(link.sent.length).toBe(2);
});

it('sends one that is not idempotent once', async () => {
  const { context, link } = setUp([{ kind: 'silent' }]);
  const once = request({ isIdempotent: false });
  await expect(requestKernel(context, once)).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    message: 'call of echo had no answer in 5000 ms',
  });
  expect(link.sent.length).toBe(1);
});

it('names the whole time that it waited where it asked more than once', async () => {
  const { context } = setUp([{ kind: 'silent' }]);
  await expect(requestKernel(context, request())).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    message: 'call of echo had no answer in 10000 ms',
  });
});

it('looks elsewhere before it sends again', async () => {
  const { context, link } = setUp([{ kind: 'interrupted' }]);
  const lookUp = async (): Promise<Result> => success('stored');
  const outcome = requestKernel(context, request({ lookUp }));
  await expect(outcome).resolves.toEqual(success('stored'));
  expect(link.sent.length).toBe(1);
});

it('waits as long as a busy kernel says', async () => {
  const { context, waits } = setUp([refused(busy), answered(success(1))]);
  await requestKernel(context, request());
  expect(waits.length).toBe(1);
  expect(waits[0]).toBeGreaterThanOrEqual(500);
});

it('hands a busy answer on after a few tries', async () => {
  const { context, link } = setUp([refused(busy)]);
  await expect(requestKernel(context, request())).resolves.toEqual(failure(busy));
  expect(link.sent.length).toBe(5);
});

it('does not repeat an error that is the committed result', async () => {
  const error = errorBody('UNAVAILABLE', 'three attempts failed');
  const { context, link } = setUp([refused(error)]);
  const lookUp = async (): Promise<Result> => failure(error);
  await expect(requestKernel(context, request({ lookUp }))).resolves.toEqual(failure(error));
  expect(link.sent.length).toBe(1);
});

it('hands final errors on at once', async () => {
  const error = errorBody('INVALID_ARGUMENT', 'bad');
  const { context, link } = setUp([refused(error)]);
  await expect(requestKernel(context, request())).resolves.toEqual(failure(error));
  expect(link.sent.length).toBe(1);
});

it('sends nothing where the signal is aborted', async () => {
  const { context, link } = setUp([answered(success(1))]);
  const aborted = request({ signal: AbortSignal.abort() });
  await expect(requestKernel(context, aborted)).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(link.sent.length).toBe(0);
});

it('turns an answer that is no result into INTERNAL', async () => {
  const message = memoryMessage('reply', Uint8Array.of(1, 2));
  const { context } = setUp([{ kind: 'answered', message }]);
  const result = await requestKernel(context, request());
  expect(result).toMatchObject({ ok: false, error: { code: 'INTERNAL' } });
});
