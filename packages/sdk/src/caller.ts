/**
 * This client as the caller that tasks are bound to (`Llmos-Caller`): for as long as it listens on
 * its own subject the leading kernel knows that it is there, and cancels what is bound to it after.
 */
import type { CallerId, TenantCaller } from '@llmos/base';
import { HEADERS, subjects } from '@llmos/base';
import type { CheckedOptions } from './call-options';
import type { ClientContext } from './client-context';
import { SDK_LIMITS } from './limits';
import type { MessageLink } from './ports/message-link';

const NOTHING = new Uint8Array(0);

/** @returns its name; undefined where the server does not let it listen: then nothing is bound. */
export async function openCaller(
  link: MessageLink,
  of: TenantCaller,
): Promise<() => CallerId | undefined> {
  let isDenied = false;
  link.subscribe(
    subjects.caller(of),
    () => link.publish({ subject: subjects.alive(of), body: NOTHING }),
    () => (isDenied = true),
  );
  // A task that is bound to a subject where nobody may listen would be cancelled.
  await link.settle(SDK_LIMITS.connectTimeoutMs);
  return () => (isDenied ? undefined : of.caller);
}

/** @param isDetached where the options don't say: whether the task goes on without this client. */
export function callerHeader(
  context: ClientContext,
  options: CheckedOptions,
  isDetached: boolean,
): Record<string, string> {
  const caller = (options.detached ?? isDetached) ? undefined : context.callerId();
  return caller === undefined ? {} : { [HEADERS.caller]: caller };
}
