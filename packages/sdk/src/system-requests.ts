/** System calls: request and answer of `llmos.v1.sys.<principal>.<call>`, which the leader answers. */
import type { SystemCallName, SystemCalls } from '@llmos/base';
import { encodeJson, isRecord, subjects, LlmosError, quoteShort } from '@llmos/base';
import type { WaitOptions } from './call-options';
import { checkWait } from './call-options';
import type { ClientContext } from './client-context';
import { assertOpen } from './client-context';
import { requestKernel } from './kernel-request';
import { outputOf } from './result-wait';

/** A second `kill` may hit the process that took the first one's place. */
const REPEATED_WITH_CARE: ReadonlySet<SystemCallName> = new Set<SystemCallName>(['kill']);

export async function systemCall<Call extends SystemCallName>(
  context: ClientContext,
  call: Call,
  request: SystemCalls[Call]['request'],
  options: WaitOptions = {},
): Promise<SystemCalls[Call]['output']> {
  assertOpen(context);
  const { timeoutMs, signal } = checkWait(options, context.timeoutMs);
  const result = await requestKernel(context, {
    what: `system call ${call}`,
    subject: subjects.sys({ principal: context.principal, call }),
    body: encodeJson(request),
    headers: () => ({}),
    untilMs: context.clock.nowMs() + timeoutMs,
    isIdempotent: !REPEATED_WITH_CARE.has(call),
    signal,
  });
  const output = outputOf(result);
  if (isRecord(output)) return output as unknown as SystemCalls[Call]['output'];
  throw new LlmosError('INTERNAL', `system call ${call} answered ${quoteShort(output)}`);
}
