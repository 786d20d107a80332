/**
 * Targets that need a process and can't get one now: each is blocked *until, because*. Its tasks
 * wait in the queue until their deadlines. Provisioning is the sole writer: a target is judged
 * again when something has changed that its block follows from, so no row is older than what it
 * says.
 *
 * Bounded by the registry: only what tasks wait for, or spawn requests name, has a row.
 */
import type { BlockCause, Target } from '@llmos/base';

export interface TargetBlock {
  readonly because: BlockCause;
  /** For people: the last reason of each node that failed it, or what is missing. */
  readonly message: string;
  /** When it is tried again; absent where something must happen first. */
  readonly untilMs?: number;
}

export class TargetBlocks {
  private readonly blocks = new Map<Target, TargetBlock>();

  get size(): number {
    return this.blocks.size;
  }

  get(target: Target): TargetBlock | undefined {
    return this.blocks.get(target);
  }

  all(): ReadonlyMap<Target, TargetBlock> {
    return this.blocks;
  }

  set(target: Target, block: TargetBlock): void {
    this.blocks.set(target, block);
  }

  delete(target: Target): void {
    this.blocks.delete(target);
  }
}
