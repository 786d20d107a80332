/** What placement sees of a node and its devices. */
import type { NodeId, ProcessId } from '@llmos/base';

export interface EvictableProcess {
  readonly pid: ProcessId;
  readonly bytes: number;
  readonly idleSinceMs: number;
}

export interface DeviceView {
  readonly deviceId: string;
  readonly provider: string;
  readonly usableBytes: number;
  readonly freeBytes: number;
  /** Held by processes that were told to stop. */
  readonly leavingBytes: number;
  /** What may be evicted, longest idle first. */
  readonly evictable: readonly EvictableProcess[];
  /** Its free bytes wait for someone more urgent. */
  readonly isPromised: boolean;
}

/** Of the target on the node: nothing is started there before. */
export interface NodeFault {
  readonly untilMs: number;
  readonly isPermanent: boolean;
}

export interface NodeView {
  readonly nodeId: NodeId;
  /** Preferred first. */
  readonly devices: readonly DeviceView[];
  readonly processCount: number;
  /** Of the same target. */
  readonly siblingCount: number;
  readonly fault?: NodeFault;
}
