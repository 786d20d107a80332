/** Chunks of generations as they lie in LLMOS_STREAMS. */
import type { StoredChunk } from '@llmos/base';
import { chunkAttempt, parseChunk } from '@llmos/base';
import type { MsgHdrs, StoredMsg } from 'nats';
import { readHeaders } from '../link/message-headers';

/** Foreign headers are read behind our own guard. */
export function readStoredChunk(stored: StoredMsg): StoredChunk {
  const { get } = readHeaders((): MsgHdrs | undefined => stored.header);
  return {
    sequence: stored.seq,
    attempt: chunkAttempt(get),
    chunk: parseChunk(stored.data),
  };
}
