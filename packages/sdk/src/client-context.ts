import type { CallerId, Clock, Random, TaskId, TenantId } from '@llmos/base';
import { LlmosError } from '@llmos/base';
import type { CreateDoorbell } from './ports/doorbell';
import type { MessageLink } from './ports/message-link';
import type { StoredMessages } from './ports/stored-messages';

/** What every part of one client shares. Made once, by `connect`. */
export interface ClientContext {
  readonly tenant: TenantId;
  /** In whose name system calls are made: the tenant, or `operator`. */
  readonly principal: TenantId;
  /** Default time limit of calls. */
  readonly timeoutMs: number;
  readonly link: MessageLink;
  readonly stored: StoredMessages;
  readonly clock: Clock;
  readonly random: Random;
  readonly createDoorbell: CreateDoorbell;
  readonly newTaskId: () => TaskId;
  /** To whom tasks are bound; undefined: to nobody. */
  readonly callerId: () => CallerId | undefined;
}

export function assertOpen(context: ClientContext): void {
  if (!context.link.closed.aborted) return;
  throw new LlmosError('FAILED_PRECONDITION', 'the client is closed');
}

/** @param what for example `call of embed (task 1f0c…)`. */
export function assertNotAborted(
  context: ClientContext,
  what: string,
  signal: AbortSignal | undefined,
): void {
  if (signal?.aborted === true) throw abortedError(what, signal.reason);
  if (context.link.closed.aborted) throw closedError(what);
}

export function abortedError(what: string, cause?: unknown): LlmosError {
  return new LlmosError('CANCELLED', `${what} was aborted by its signal`, { cause });
}

export function closedError(what: string): LlmosError {
  return new LlmosError('CANCELLED', `${what} ended: the client was closed`);
}

/** Spread over half to all of the time, so that many clients don't come back together. */
export function withJitter(context: ClientContext, waitMs: number): number {
  return waitMs * (0.5 + context.random.next() / 2);
}
