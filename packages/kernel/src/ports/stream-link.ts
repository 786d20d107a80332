import type { BodyFormat, StoredChunk, TaskId, TenantId, TenantTask } from '@llmos/base';

export interface ReaderMessage {
  readonly task: TaskId;
  readonly body: Uint8Array;
  /** Default JSON. */
  readonly format?: BodyFormat;
  /** Of the last message: the result is in it, or the kernel stops sending. */
  readonly end?: 'result' | 'detached';
}

/** Messages to one client; lost where it does not listen in that moment. */
export interface ReaderFeed {
  /** Never throws. */
  send(message: ReaderMessage): void;
  close(): void;
}

/** Chunks of generations as they are stored, and the way to readers that attached. */
export interface StreamLink {
  /** The first one stored at or after the sequence, read from the stream's leader; may throw. */
  readChunk(of: TenantTask, fromSequence: number): Promise<StoredChunk | undefined>;
  /** Calls back when a chunk may have been stored; some are missed. @returns how to stop it. */
  watch(of: TenantTask, onChunk: () => void): () => void;
  /** @param onUnheard a message was sent and nobody listened. */
  openFeed(
    of: { readonly tenant: TenantId; readonly client: string },
    onUnheard: () => void,
  ): ReaderFeed;
}
