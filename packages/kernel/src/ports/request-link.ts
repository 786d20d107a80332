import type { BodyFormat, ErrorBody, HeaderSource } from '@llmos/base';

/** How a request is answered, once. Holds nothing of the request, and never throws. */
export interface Answering {
  readonly answer: (body: Uint8Array, format?: BodyFormat) => void;
  /** With the error that `body` says. */
  readonly refuse: (error: ErrorBody, body: Uint8Array, format?: BodyFormat) => void;
}

/** One request from outside: nothing in it was checked, except that it may be answered. */
export interface ForeignRequest extends Answering {
  readonly subject: string;
  readonly header: HeaderSource;
  readonly body: Uint8Array;
  /** Of the whole message, with its headers. */
  readonly bytes: number;
  /**
   * The same request, which holds nothing else of what came with it: the client's messages are
   * parts of reads of up to 64 KiB. For one that waits.
   */
  readonly own: () => ForeignRequest;
}

export interface ServedSubject {
  /**
   * Nothing new comes. Resolves once what the server had sent by then was handed on, in bounded
   * time; never rejects.
   */
  stop(): Promise<void>;
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
  /** Resolves once what came in was handled; while nothing is served any more. */
  finish(): Promise<void>;
  /** What came in and was not handled, and what comes from now on, is refused with UNAVAILABLE. */
  refuseRest(): void;
}
