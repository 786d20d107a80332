/** Reads of one stored message, answered by the stream's leader (never by a follower). */
import type { JetStreamManager, StoredMsg } from 'nats';
import { isApiError } from './api-errors';

export async function readLast(
  manager: JetStreamManager,
  stream: string,
  subject: string,
): Promise<StoredMsg | undefined> {
  return readOne(manager, stream, { last_by_subj: subject });
}

export async function readSequence(
  manager: JetStreamManager,
  stream: string,
  sequence: number,
): Promise<StoredMsg | undefined> {
  return readOne(manager, stream, { seq: sequence });
}

/** The first message from this sequence on. */
export async function readNext(
  manager: JetStreamManager,
  stream: string,
  fromSequence: number,
): Promise<StoredMsg | undefined> {
  return readOne(manager, stream, { seq: fromSequence, next_by_subj: '>' });
}

async function readOne(
  manager: JetStreamManager,
  stream: string,
  query: { last_by_subj: string } | { seq: number; next_by_subj?: string },
): Promise<StoredMsg | undefined> {
  try {
    return await manager.streams.getMessage(stream, query);
  } catch (error) {
    if (isApiError(error, 'noMessageFound')) return undefined;
    throw error;
  }
}
