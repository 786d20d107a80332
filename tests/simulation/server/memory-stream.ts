/** One stream of the simulated server: messages by sequence and subject, and what it refuses. */
import type { MsgHdrs } from 'nats';

export interface StoredMessage {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly header: MsgHdrs | undefined;
  readonly time: Date;
}

export interface NewMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly header: MsgHdrs | undefined;
  /** Stored only where this is the subject's last sequence; 0: where it has no message. */
  readonly expectedLast?: number;
}

export type StoreOutcome =
  | { readonly kind: 'stored'; readonly message: StoredMessage }
  | { readonly kind: 'conflict'; readonly last: number }
  | { readonly kind: 'taken' }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'full' };

export interface StreamLimits {
  readonly maxMessageBytes: number;
  /** Of a subject: all its messages, the latest one, or the first one, which refuses others. */
  readonly keeps: 'all' | 'last' | 'first';
}

export class MemoryStream {
  lastSequence = 0;
  /** Refuses everything new, as at its limit of bytes. */
  isFull = false;
  private readonly messages = new Map<number, StoredMessage>();
  /** Sequences in order; of messages that may be gone. */
  private readonly bySubject = new Map<string, number[]>();

  constructor(
    readonly name: string,
    private readonly limits: StreamLimits,
  ) {}

  store(message: NewMessage, wallMs: number): StoreOutcome {
    const { subject, data, header, expectedLast } = message;
    const last = this.last(subject)?.seq ?? 0;
    if (data.length > this.limits.maxMessageBytes) return { kind: 'too-large' };
    if (expectedLast !== undefined && expectedLast !== last) return { kind: 'conflict', last };
    if (last > 0 && this.limits.keeps === 'first') return { kind: 'taken' };
    if (this.isFull) return { kind: 'full' };
    this.lastSequence += 1;
    const stored = { seq: this.lastSequence, subject, data, header, time: new Date(wallMs) };
    this.messages.set(stored.seq, stored);
    if (this.limits.keeps === 'last') this.purge(subject, stored.seq);
    const sequences = this.bySubject.get(subject);
    if (sequences === undefined) this.bySubject.set(subject, [stored.seq]);
    else sequences.push(stored.seq);
    return { kind: 'stored', message: stored };
  }

  get(sequence: number): StoredMessage | undefined {
    return this.messages.get(sequence);
  }

  last(subject: string): StoredMessage | undefined {
    const sequences = this.bySubject.get(subject);
    while (sequences !== undefined && sequences.length > 0) {
      const message = this.messages.get(sequences.at(-1) ?? 0);
      if (message !== undefined) return message;
      sequences.pop();
    }
    return undefined;
  }

  /** The first one of the subject from this sequence on. */
  next(subject: string, sequence: number): StoredMessage | undefined {
    for (const each of this.bySubject.get(subject) ?? []) {
      const message = each < sequence ? undefined : this.messages.get(each);
      if (message !== undefined) return message;
    }
    return undefined;
  }

  all(subject: string): StoredMessage[] {
    return (this.bySubject.get(subject) ?? []).flatMap((each) => this.messages.get(each) ?? []);
  }

  subjects(): string[] {
    return [...this.bySubject.keys()];
  }

  get size(): number {
    return this.messages.size;
  }

  remove(sequence: number): boolean {
    return this.messages.delete(sequence);
  }

  /** Removes those of a subject, but for one. */
  purge(subject: string, kept?: number): void {
    for (const each of this.bySubject.get(subject) ?? []) {
      if (each !== kept) this.messages.delete(each);
    }
    this.bySubject.delete(subject);
    if (kept !== undefined && this.messages.has(kept)) this.bySubject.set(subject, []);
  }
}
