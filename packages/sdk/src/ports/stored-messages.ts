/** Reads messages that are stored; a follower's copy may be behind, so "absent" means "not yet". */
export interface StoredMessage {
  readonly sequence: number;
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
}

export type ReadOutcome =
  | { readonly kind: 'found'; readonly message: StoredMessage }
  | { readonly kind: 'absent' }
  /** Could not look: no answer, no stream yet, or no permission. */
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface StoredMessages {
  readLast(of: ReadLast): Promise<ReadOutcome>;
  /** The first message of the subject at or after a sequence. */
  readNext(of: ReadLast & { readonly fromSequence: number }): Promise<ReadOutcome>;
}

export interface ReadLast {
  readonly stream: string;
  readonly subject: string;
  readonly signal?: AbortSignal | undefined;
}
