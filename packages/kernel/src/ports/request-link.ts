/**
 * Requests from outside, free of the transport that brings them: who asks (`Principal`), what, and
 * what came of it. An adapter reads and writes these in the words of its transport.
 */
import type { BodyFormat, ErrorBody, FunctionName, TaskId, TaskTerms } from '@llmos/base';
import type { Principal } from './principal';

/** `submit` and `call`. */
export interface AskedTask {
  readonly principal: Principal;
  readonly function: FunctionName;
  readonly terms: TaskTerms;
  readonly body: Uint8Array;
}

export interface AskedSystemCall {
  readonly principal: Principal;
  /** Nobody has looked yet whether there is such a call. */
  readonly call: string;
  /** JSON, unread; empty for a call without an input. */
  readonly body: Uint8Array;
}

export interface AskedCancel {
  readonly principal: Principal;
  readonly task: TaskId;
}

/** What is asked, by the kind of request. */
export interface RequestKinds {
  /** Stores a task and answers with its result; any kernel answers. */
  readonly call: AskedTask;
  /** Stores a task and answers its id; any kernel answers. */
  readonly submit: AskedTask;
  /** Only the leader answers. */
  readonly system: AskedSystemCall;
  /** Only the leader answers. Also from who does not wait for an answer. */
  readonly cancel: AskedCancel;
}
export type RequestKind = keyof RequestKinds;

export type RequestReading<Asked> =
  | { readonly kind: 'read'; readonly asked: Asked }
  | { readonly kind: 'invalid'; readonly error: ErrorBody; readonly format: BodyFormat };

export type RequestOutcome =
  | { readonly kind: 'output'; readonly output: unknown }
  /** The stored result of a task, as it is. */
  | { readonly kind: 'result'; readonly body: Uint8Array; readonly format: BodyFormat }
  /** Nothing speaks against the request, but there is no result. */
  | { readonly kind: 'unanswered'; readonly error: ErrorBody; readonly format: BodyFormat }
  | Refusal;

export interface Refusal {
  readonly kind: 'refused';
  readonly error: ErrorBody;
  readonly format: BodyFormat;
  /** This very refusal is given to many requests: worth writing once. */
  readonly isShared?: boolean;
}

export interface Answering {
  /** What the transport calls the request, for logs; of bounded length. */
  readonly label: string;
  /** The first outcome counts. Never throws. */
  answer(outcome: RequestOutcome): void;
}

/** One request: nothing in it was checked, except that it may be answered. */
export interface ForeignRequest<Asked> extends Answering {
  /** In whose line it waits: the tenant that it names, whether or not that can be one. */
  readonly owner: string;
  /** Of the whole message. */
  readonly bytes: number;
  /** Reads what is asked; not before its turn has come, since that costs most. */
  read(): RequestReading<Asked>;
  /** How it is answered, apart from all else of it: for who waits for an outcome. */
  answering(): Answering;
  /** The same request, which holds nothing else of what came with it: for one that waits. */
  own(): ForeignRequest<Asked>;
}

export interface ServedRequests {
  /**
   * Nothing new comes. Resolves once what the server had sent by then was handed on, in bounded
   * time; never rejects.
   */
  stop(): Promise<void>;
}

/** Requests that may not be answered, though their kind is, are ignored and counted. */
export interface RequestLink {
  /** The longest body that the server takes at present; it may change with a reconnect. */
  maxAnswerBytes(): number;
  serve<Kind extends RequestKind>(
    kind: Kind,
    handle: (request: ForeignRequest<RequestKinds[Kind]>) => void,
  ): ServedRequests;
  /** Resolves once requests to what is served come in: the server knows of it. */
  heard(): Promise<void>;
  /** Resolves once what came in was handled; while nothing is served any more. */
  finish(): Promise<void>;
  /** What came in and was not handled, and what comes from now on, is refused with UNAVAILABLE. */
  refuseRest(): void;
}
