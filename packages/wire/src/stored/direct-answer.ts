/**
 * What a stream says to a direct get: the body is the message's own, and the headers tell the rest.
 * A follower may answer, so what is absent may just not have come to it yet. A publisher may have
 * stored headers of the names that the server adds: readHeaders gives the server's own.
 */
import type { HeaderSource } from '@llmos/base';
import { STATUSES } from '../link/message-headers';

export type DirectAnswer =
  | { readonly kind: 'found'; readonly sequence: number }
  | { readonly kind: 'absent' }
  /** Neither: the leader may know. */
  | { readonly kind: 'refused'; readonly reason: string };

/** @param status of the message's header line; 0 where it has none. */
export function readDirectAnswer(status: number, get: HeaderSource): DirectAnswer {
  if (status === STATUSES.noMessage) return { kind: 'absent' };
  if (status !== 0) return { kind: 'refused', reason: `status ${status}` };
  const sequence = Number(get('Nats-Sequence'));
  return Number.isSafeInteger(sequence) && sequence > 0
    ? { kind: 'found', sequence }
    : { kind: 'refused', reason: 'status without a sequence' };
}
