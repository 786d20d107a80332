/**
 * The keys and values of the sequences that share one decoder graph, and the runs over them.
 *
 * One caller and one call at a time. A row is what one sequence occupies; its tokens are those
 * whose keys and values it holds. What fails rejects with an LlmosError and leaves every row as it
 * was before the call.
 */
import type { TensorArray } from '@llmos/base';

/** A place for one sequence; opaque to the engine. */
export interface KvRow {
  /** Tokens that the row holds. */
  readonly tokenCount: number;
}

/** Keys and values of one sequence's first tokens in host memory; never changed once made. */
export interface SavedKv {
  readonly tokenCount: number;
  readonly bytes: number;
  /** By key-value pair of the graph, each `[kv heads, tokens, head size]`; float16 as bits. */
  readonly parts: readonly TensorArray[];
}

export interface DecoderRows {
  /** Words that the model knows, where the graph says it. */
  readonly vocabularySize: number | undefined;
  /** Rows that one `decode` takes at most. */
  readonly rowsPerRun: number;
  /** Whether a prompt may be fed in parts; otherwise all of it is one `feed`. */
  readonly takesParts: boolean;
  /** Whether rows can be saved, restored and cut. */
  readonly isSavable: boolean;
  /** Bytes that rows hold now, unused room included. */
  readonly bytes: number;
  /** Bytes of one token's keys and values. */
  readonly bytesPerToken: number;

  /** An empty row. Throws RESOURCE_EXHAUSTED where no further one fits. */
  open(): Promise<KvRow>;
  /** A row that begins with the first `tokenCount` tokens of what was saved. */
  restore(saved: SavedKv, tokenCount: number): Promise<KvRow>;
  /**
   * Feeds tokens to one row: a part of its prompt, or a draft to verify. Answers the logits after
   * each of the last `wanted` tokens, flat (`wanted` × vocabulary); valid until the next call.
   */
  feed(row: KvRow, ids: readonly number[], wanted: number): Promise<Float32Array>;
  /** Feeds one token to each row. Answers flat logits in their order; valid until the next call. */
  decode(rows: readonly KvRow[], ids: readonly number[]): Promise<Float32Array>;
  /** Forgets the tokens from `tokenCount` on. */
  cut(row: KvRow, tokenCount: number): void;
  save(row: KvRow): Promise<SavedKv>;
  /** Gives the place back; the row may not be used again. */
  close(row: KvRow): void;
  closeAll(): void;
}
