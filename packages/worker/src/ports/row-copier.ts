/**
 * Copies rows of tensors on the device that the model runs on, so that keys and values need not
 * travel through the host to change their place or size.
 *
 * A list holds one tensor per key or value of the graph, all of one type and of the dims
 * `[rows, heads, tokens, size]`. What is given stays the caller's; what is answered is the
 * caller's to dispose of. One call at a time, none beside a run of the model. What fails rejects
 * with an LlmosError and leaves no new tensor behind.
 */
import type { HostTensor, RunnerTensor } from './model-runner';

export interface RowLayout {
  /** Row `i` of the copy is row `rows[i]` of the source; a row may be named again. */
  readonly rows: readonly number[];
  /** The first tokens that are copied. */
  readonly keptTokens: number;
  /** Tokens that the copy has room for, at least those kept; the rest is zero. */
  readonly lengthTokens: number;
}

export interface RowCopier {
  /** Copies in the memory of the device, of tensors there or on the host. */
  copy(tensors: readonly RunnerTensor[], layout: RowLayout): Promise<readonly RunnerTensor[]>;
  /** A copy in host memory. */
  download(tensors: readonly RunnerTensor[], layout: RowLayout): Promise<readonly HostTensor[]>;
  /** Copies of `batch` whose row `row` is the one row of `source`, which is as long. */
  place(
    batch: readonly RunnerTensor[],
    source: readonly RunnerTensor[],
    row: number,
  ): Promise<readonly RunnerTensor[]>;
  /** Releases what the copies were made with; may be called twice. */
  close(): Promise<void>;
}
