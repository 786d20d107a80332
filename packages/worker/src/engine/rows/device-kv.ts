/** Keys and values on a device: one tensor by pair of the graph. */
import type { RunnerTensor } from '../../ports/model-runner';
import type { FloatBuffer } from './decoder-buffers';
import type { RowBounds, RowRoom } from './row-room';
import { roomFor } from './row-room';

export interface DeviceKv {
  readonly tensors: readonly RunnerTensor[];
  readonly room: RowRoom;
}

export const NO_ROOM: RowRoom = { rows: 0, tokens: 0 };

/** Whoever owns them calls this once; those on the host need nothing. */
export function disposeOf({ tensors }: Pick<DeviceKv, 'tensors'>): void {
  for (const tensor of tensors) if (tensor.kind === 'device') tensor.dispose();
}

/**
 * Room of a batch that needs so much: what it has, unless that is too little or a quarter would do.
 * Unused room costs more than memory here: every run reads and writes all of it.
 */
export function batchRoom(has: RowRoom, needs: RowRoom, bounds: RowBounds): RowRoom {
  const kept = (size: number, need: number): number => (need * 4 <= size ? 0 : size);
  const room = { rows: kept(has.rows, needs.rows), tokens: kept(has.tokens, needs.tokens) };
  return roomFor(room, needs, bounds);
}

export interface PickOptions {
  /** Indices of rows, in the order in which they are wanted. */
  readonly wanted: readonly number[];
  /** Of all. */
  readonly rowCount: number;
  /** Holds them where they don't stand in that order at the front. */
  readonly buffer: FloatBuffer;
}

/** The flat logits of some rows, of those of all. */
export function pickRows(logits: Float32Array, options: PickOptions): Float32Array {
  const { buffer, rowCount, wanted } = options;
  const width = logits.length / rowCount;
  if (wanted.every((from, to) => from === to)) return logits.subarray(0, wanted.length * width);
  const picked = buffer.array(wanted.length * width);
  wanted.forEach((from, to) => {
    picked.set(logits.subarray(from * width, (from + 1) * width), to * width);
  });
  return picked;
}
