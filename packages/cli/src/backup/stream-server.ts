/** What backup and restore ask of a NATS server. */
import type { StreamConfigRecord, StreamState } from './manifest';

export interface StreamLook {
  readonly name: string;
  readonly created: string;
  readonly config: StreamConfigRecord;
  readonly state: StreamState;
  /** Servers that hold it and have all of it, the leader among them. */
  readonly currentReplicas: number;
}

export interface Snapshot {
  readonly config: StreamConfigRecord;
  readonly rawState: Readonly<Record<string, unknown>>;
}

/** Every method rejects with an LlmosError; UNAVAILABLE where the server doesn't answer. */
export interface StreamServer {
  readonly version: string;
  /** Also while it knows of no other server of its cluster. */
  readonly isClustered: boolean;
  /** Of its cluster, as far as it knows them now; 1 where it has none. */
  readonly serverCount: number;
  /** Largest part that `restore` may send. */
  readonly partBytes: number;
  /** Whether anybody serves the calls of the system: a kernel that leads. */
  isServed(): Promise<boolean>;
  /** Changes whenever a kernel does something with the leadership; 0 where there was none. */
  leaderRecord(): Promise<{ readonly revision: number; readonly isReleased: boolean }>;
  names(): Promise<readonly string[]>;
  find(name: string): Promise<StreamLook | undefined>;
  /** The stream as of one moment; `write` is awaited before more is asked for. */
  snapshot(
    name: string,
    of: { readonly hasConsumers: boolean; readonly write: (part: Uint8Array) => Promise<void> },
  ): Promise<Snapshot>;
  /** There is no stream of that name before, and a whole one or none after it. */
  restore(snapshot: Snapshot, parts: AsyncIterable<Uint8Array>): Promise<void>;
  update(name: string, changes: StreamConfigRecord): Promise<void>;
  remove(name: string): Promise<void>;
  /** Whether so many bytes can be reserved, with so many replicas. */
  hasRoom(bytes: number, replicas: number): Promise<boolean>;
  /** A moment, before the server is asked once more. Rejects with CANCELLED once interrupted. */
  pause(): Promise<void>;
  close(): Promise<void>;
}
