/**
 * Reads of one stored message, answered by the stream's leader (never by a follower): what was
 * stored before is found. Undefined where there is no such message; rejects where it can't be read.
 */
import type { JetStreamManager, StoredMsg } from 'nats';
import { isApiError } from './api-errors';

export type MessageQuery =
  | { readonly last_by_subj: string }
  /** With a subject: the first one of it from this sequence on. */
  | { readonly seq: number; readonly next_by_subj?: string };

export async function readStored(
  manager: JetStreamManager,
  stream: string,
  query: MessageQuery,
): Promise<StoredMsg | undefined> {
  try {
    return await manager.streams.getMessage(stream, query);
  } catch (error) {
    if (isApiError(error, 'noMessageFound')) return undefined;
    throw error;
  }
}

export function readLast(
  manager: JetStreamManager,
  stream: string,
  subject: string,
): Promise<StoredMsg | undefined> {
  return readStored(manager, stream, { last_by_subj: subject });
}

export function readSequence(
  manager: JetStreamManager,
  stream: string,
  sequence: number,
): Promise<StoredMsg | undefined> {
  return readStored(manager, stream, { seq: sequence });
}

/** The first message from this sequence on, of one subject or of all. */
export function readNext(
  manager: JetStreamManager,
  stream: string,
  from: { readonly sequence: number; readonly subject?: string },
): Promise<StoredMsg | undefined> {
  const { sequence, subject = '>' } = from;
  return readStored(manager, stream, { seq: sequence, next_by_subj: subject });
}
