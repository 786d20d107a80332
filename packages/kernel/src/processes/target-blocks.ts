/**
 * Targets that need a process and can't get one now: each is blocked *until, because*. Its tasks
 * wait in the queue until their deadlines. Provisioning is the sole writer: it judges every target
 * that is short in each of its rounds, so a row is never older than what it says.
 *
 * Bounded by the registry: only what tasks wait for, or spawn requests name, has a row.
 */
import type { BlockCause } from '@llmos/base';

export interface TargetBlock {
  readonly because: BlockCause;
  /** For people: the last reason of each node that failed it, or what is missing. */
  readonly message: string;
  /** When it is tried again; absent where something must happen first. */
  readonly untilMs?: number;
}

export class TargetBlocks {
  private blocks = new Map<string, TargetBlock>();
  private earliestMs = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.blocks.size;
  }

  /** When the first of them is to be judged again; infinite where none is. */
  get nextMs(): number {
    return this.earliestMs;
  }

  get(target: string): TargetBlock | undefined {
    return this.blocks.get(target);
  }

  all(): ReadonlyMap<string, TargetBlock> {
    return this.blocks;
  }

  replaceAll(blocks: Map<string, TargetBlock>): void {
    this.blocks = blocks;
    this.earliestMs = Number.POSITIVE_INFINITY;
    for (const { untilMs } of blocks.values()) {
      this.earliestMs = Math.min(this.earliestMs, untilMs ?? Number.POSITIVE_INFINITY);
    }
  }
}
