/** How much room the rows of keys and values have. Pure. */
import { LlmosError } from '@llmos/base';
import { ENGINE_LIMITS } from '../limits';

export interface RowRoom {
  readonly rows: number;
  /** Of each row. */
  readonly tokens: number;
}

export interface RowBounds {
  readonly maxRows: number;
  readonly maxTokens: number;
  readonly bytesPerToken: number;
}

/**
 * Room for all that is needed: what there is where it is enough, else a power of two, so that
 * growth by copy costs each token a constant share. Throws RESOURCE_EXHAUSTED where the bound on
 * memory does not allow even what is needed.
 */
export function roomFor(has: RowRoom, needs: RowRoom, bounds: RowBounds): RowRoom {
  const rows = grown(has.rows, needs.rows, 1, bounds.maxRows);
  const tokens = grown(has.tokens, needs.tokens, ENGINE_LIMITS.leastRowTokens, bounds.maxTokens);
  const room = { rows, tokens };
  if (fitsMemory(room, bounds.bytesPerToken)) return room;
  const exact = {
    rows: Math.max(has.rows, needs.rows),
    tokens: Math.max(has.tokens, needs.tokens),
  };
  if (fitsMemory(exact, bounds.bytesPerToken)) return exact;
  // Room that nobody uses must not be why there is none.
  if (fitsMemory(needs, bounds.bytesPerToken)) return needs;
  throw new LlmosError(
    'RESOURCE_EXHAUSTED',
    `${needs.rows} sequences of ${needs.tokens} tokens need more than the ` +
      `${ENGINE_LIMITS.maxKvBytes} bytes that one process keeps for keys and values`,
  );
}

/** Whether the bound on memory allows it. */
export function fitsMemory(room: RowRoom, bytesPerToken: number): boolean {
  return bytesOf(room, bytesPerToken) <= ENGINE_LIMITS.maxKvBytes;
}

/** Room to keep once a row has left: half of it may stay unused, and a little always. */
export function roomAfterLeave(has: RowRoom, used: RowRoom, bytesPerToken: number): RowRoom {
  if (bytesOf(has, bytesPerToken) <= ENGINE_LIMITS.keptRowBytes) return has;
  if (used.rows === 0) return { rows: 0, tokens: 0 };
  return {
    rows: shrunk(has.rows, used.rows, 1),
    tokens: shrunk(has.tokens, used.tokens, ENGINE_LIMITS.leastRowTokens),
  };
}

function bytesOf(room: RowRoom, bytesPerToken: number): number {
  return room.rows * room.tokens * bytesPerToken;
}

function grown(has: number, needs: number, least: number, most: number): number {
  if (needs <= has) return has;
  return Math.max(needs, Math.min(most, powerOfTwo(Math.max(least, needs))));
}

/** Only below a quarter, so that a row that comes and goes does not copy the others each time. */
function shrunk(has: number, used: number, least: number): number {
  if (used * 4 > has) return has;
  return Math.min(has, powerOfTwo(Math.max(least, 2 * used)));
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(least));
}
