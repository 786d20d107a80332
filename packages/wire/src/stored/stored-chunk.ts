/** Chunks of generations as they lie in LLMOS_STREAMS. */
import type { StoredChunk } from '@llmos/base';
import { HEADERS, parseChunk } from '@llmos/base';
import type { MsgHdrs, StoredMsg } from 'nats';
import { readHeaders } from '../link/message-headers';

/** Foreign headers are read behind our own guard. */
export function readStoredChunk(stored: StoredMsg): StoredChunk {
  const { get } = readHeaders((): MsgHdrs | undefined => stored.header);
  const attempt = Number(get(HEADERS.attempt));
  return {
    sequence: stored.seq,
    attempt: Number.isSafeInteger(attempt) ? attempt : 0,
    chunk: parseChunk(stored.data),
  };
}
