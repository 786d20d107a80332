/** The durable side of one process: bodies of tasks, committed results, chunks of generations. */
import type {
  AttemptRef,
  AttemptSpec,
  BodyFormat,
  ErrorBody,
  GenerateChunk,
  ResultEnd,
  StoredChunk,
} from '@llmos/base';
import type { ResultOwner } from '../attempt';

export type PutOutcome =
  | { readonly kind: 'stored'; readonly sequence: number }
  /** The subject's last sequence is another one: someone wrote first, or a lost acknowledgement. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'too-large'; readonly limitBytes: number }
  /** Unreachable, timed out (it may be stored all the same) or full: try again. */
  | { readonly kind: 'unavailable'; readonly message: string };

export type BodyOutcome =
  | { readonly kind: 'read'; readonly body: Uint8Array }
  | { readonly kind: 'gone' }
  | { readonly kind: 'unavailable'; readonly message: string };

export type ResultOutcome =
  | {
      readonly kind: 'found';
      readonly result: ResultEnd;
      /** Set where it is no result but the note of a limit, which a result may replace. */
      readonly refusalSequence?: number;
    }
  | { readonly kind: 'none' }
  | { readonly kind: 'unavailable'; readonly message: string };

export type ChunksOutcome =
  /** In order, at most `PROCESS_LIMITS.chunkPage` of them; none after `chunkPageBytes`. */
  | {
      readonly kind: 'read';
      readonly chunks: readonly StoredChunk[];
      /** How far this read got: where nothing is left, the subject's last one; 0: it is empty. */
      readonly lastSequence: number;
      /** More were stored after `lastSequence`: read on from there. */
      readonly hasMore: boolean;
    }
  | { readonly kind: 'unavailable'; readonly message: string };

/** Every read is consistent (answered by the stream's leader). None of these throws. */
export interface TaskStore {
  /** Of a result or chunk, as far as the connection tells now. */
  readonly maxBodyBytes: number;
  readBody(of: AttemptSpec): Promise<BodyOutcome>;
  /**
   * Stored only if the task has no result yet. @param after sequence of the refusal that it
   * replaces, 0 where there is none.
   */
  putResult(
    of: ResultOwner,
    result: Uint8Array,
    how: { readonly format: BodyFormat; readonly after: number },
  ): Promise<PutOutcome>;
  /** What is stored where `putResult` stores. */
  readResult(of: ResultOwner): Promise<ResultOutcome>;
  /** Encodes an error as a result body of this format. */
  encodeError(error: ErrorBody, format: BodyFormat): Uint8Array;
  /** Stored only if the stream's last sequence is `after` (0: it is empty). */
  putChunk(of: AttemptRef, chunk: GenerateChunk, after: number): Promise<PutOutcome>;
  /** The next chunks with a higher sequence than `after`: one page of them. */
  readChunks(of: AttemptRef, after: number): Promise<ChunksOutcome>;
}
