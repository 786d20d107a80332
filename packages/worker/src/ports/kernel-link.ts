/** The stream that a node agent holds open to the leading kernel. */
import type { NodeBeat, NodeRegistration, ReceivedCommand, ReportedProcess } from '@llmos/base';

export interface KernelLineEvents {
  /** Messages that can't be read are dropped before. */
  command(epoch: number, command: ReceivedCommand): void;
  /** Once; nothing comes after it. */
  closed(reason: string): void;
}

/** One attached stream. Sending on a closed one does nothing. */
export interface KernelLine {
  heartbeat(beat: NodeBeat): void;
  processChanged(process: ReportedProcess): void;
  /** Resolves when what was sent before has reached the kernel, within a bounded time. */
  close(): Promise<void>;
}

export interface KernelLink {
  /**
   * Dials `host:port` and registers; never throws: what goes wrong is `closed`. Events come later,
   * never while this call runs.
   */
  attach(url: string, registration: NodeRegistration, events: KernelLineEvents): KernelLine;
}
