/** Reads messages that are stored; a follower's copy may be behind, so "absent" means "not yet". */
export interface StoredMessage {
  readonly sequence: number;
  readonly subject: string;
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
  /** When the server stored it, by the server's clock. */
  readonly storedWallMs: number;
  /** Undefined where absent or empty. */
  header(name: string): string | undefined;
}

/** A stream as the server describes it. */
export interface StreamDescription {
  readonly name: string;
  readonly subjects: readonly string[];
  /** `limits`, `workqueue` or `interest`. */
  readonly retention: string;
  /** `file` or `memory`. */
  readonly storage: string;
  /** What a full stream does: refuse `new` messages, or drop `old` ones. */
  readonly discard: string;
  readonly allowsDirect: boolean;
  readonly replicas: number;
  readonly messages: number;
  readonly bytes: number;
  /** -1: no bound. */
  readonly maxBytes: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** That it is known to have had: with a lower last one it has lost messages. */
  readonly notedSequence?: number;
}

export type StreamOutcome =
  | { readonly kind: 'found'; readonly stream: StreamDescription }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unavailable'; readonly reason: string };

export type RemoveOutcome =
  | { readonly kind: 'removed' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unavailable'; readonly reason: string };

export type PurgeOutcome =
  | { readonly kind: 'purged'; readonly removed: number }
  | { readonly kind: 'unavailable'; readonly reason: string };

export type ReadOutcome =
  | { readonly kind: 'found'; readonly message: StoredMessage }
  | { readonly kind: 'absent' }
  /** It is there, but its headers can't be read. */
  | { readonly kind: 'unreadable'; readonly reason: string }
  /** Could not look: no answer, no stream yet, or no permission. */
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface StoredMessages {
  readLast(of: ReadLast): Promise<ReadOutcome>;
  /** The first message of the subject at or after a sequence. */
  readNext(of: ReadLast & { readonly fromSequence: number }): Promise<ReadOutcome>;
  readStream(stream: string, limit?: ReadLimit): Promise<StreamOutcome>;
  remove(of: { readonly stream: string; readonly sequence: number }): Promise<RemoveOutcome>;
  /** Removes the messages of a subject, which may hold wildcards, below a sequence. */
  purge(of: {
    readonly stream: string;
    readonly subject: string;
    readonly belowSequence: number;
  }): Promise<PurgeOutcome>;
}

/** When a look is given up. */
export interface ReadLimit {
  readonly signal?: AbortSignal | undefined;
  /** Of each request that it takes; at most, and by default, `readTimeoutMs`. */
  readonly waitMs?: number | undefined;
}

export interface ReadLast extends ReadLimit {
  readonly stream: string;
  /** May hold wildcards where the next message is asked for. */
  readonly subject: string;
}
