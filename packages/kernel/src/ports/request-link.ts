import type { BodyFormat, ErrorBody, HeaderSource } from '@llmos/base';

/** One request from outside: nothing in it was checked, except that it may be answered. */
export interface ForeignRequest {
  readonly subject: string;
  readonly header: HeaderSource;
  readonly body: Uint8Array;
  /** Answers once; never throws. */
  answer(body: Uint8Array, format?: BodyFormat): void;
  /** Answers with the error that `body` says. */
  refuse(error: ErrorBody, body: Uint8Array, format?: BodyFormat): void;
}

export interface ServedSubject {
  stop(): void;
}

/**
 * Requests over core NATS. A request whose reply subject may not be answered is ignored and
 * counted, unless `isAnswerOptional`; then its `answer` does nothing.
 */
export interface RequestLink {
  /** The longest body that the server takes at present; it may change with a reconnect. */
  maxAnswerBytes(): number;
  serve(of: {
    readonly pattern: string;
    /** Each request goes to one kernel of the group; without it every subscriber gets it. */
    readonly queue?: string;
    readonly isAnswerOptional?: boolean;
    readonly handle: (request: ForeignRequest) => void;
  }): ServedSubject;
  /** Resolves once requests to what is served come in: the server knows of it. */
  heard(): Promise<void>;
}
