/** Cancelling a task: once, or until it has ended. */
import type { TaskId } from '@llmos/base';
import { LlmosError, backoffMs, subjects } from '@llmos/base';
import type { WaitOptions } from './call-options';
import { checkWait } from './call-options';
import type { ClientContext } from './client-context';
import { assertOpen } from './client-context';
import { CANCEL_BACKOFF, SDK_LIMITS } from './limits';
import { waitForResult } from './result-wait';

/** Fire and forget. */
export function publishCancel(context: ClientContext, task: TaskId): void {
  const subject = subjects.cancel({ tenant: context.tenant, task });
  context.link.publish({ subject, body: new Uint8Array() });
}

/**
 * Asks until a result is there: a message may be lost, or come while no kernel leads.
 * @returns true where the task ended as cancelled, false where it had ended otherwise before.
 */
export async function cancelTask(
  context: ClientContext,
  task: TaskId,
  options: WaitOptions,
): Promise<boolean> {
  assertOpen(context);
  const { timeoutMs, signal } = checkWait(options, SDK_LIMITS.cancelWaitMs);
  const endMs = context.clock.nowMs() + timeoutMs;
  const of = { tenant: context.tenant, task };
  for (let attempt = 1; ; attempt += 1) {
    publishCancel(context, task);
    const untilMs = Math.min(endMs, context.clock.nowMs() + backoffMs(CANCEL_BACKOFF, attempt));
    try {
      const result = await waitForResult(context, { of, untilMs, signal });
      return !result.ok && result.error.code === 'CANCELLED';
    } catch (error) {
      const isSilence = error instanceof LlmosError && error.code === 'DEADLINE_EXCEEDED';
      if (!isSilence) throw error;
      if (context.clock.nowMs() < endMs) continue;
      const message = `task ${task} did not end within ${timeoutMs} ms after its cancel`;
      throw new LlmosError('DEADLINE_EXCEEDED', message, { cause: error });
    }
  }
}
