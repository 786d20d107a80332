/**
 * Identifiers, branded so that one kind can't be passed for another.
 *
 * Every identifier that may stand in a NATS subject is a token: `[A-Za-z0-9_-]{1,64}`. The NATS
 * client does not check subjects, so an unchecked space or line break would forge a command.
 */
import { cutText } from './own-text';

declare const brand: unique symbol;
export type Branded<T, Name extends string> = T & { readonly [brand]: Name };

export type TenantId = Branded<string, 'TenantId'>;
export type TaskId = Branded<string, 'TaskId'>;
export type FunctionName = Branded<string, 'FunctionName'>;
export type NodeId = Branded<string, 'NodeId'>;
/** One row of the process table; keeps its id over restarts (see `incarnation`). */
export type ProcessId = Branded<string, 'ProcessId'>;
export type KernelId = Branded<string, 'KernelId'>;
/** `Llmos-Key`: tasks of one key run one at a time and in order. */
export type TaskKey = Branded<string, 'TaskKey'>;
/** `Llmos-Flow`: a user, or a flow of work, within a tenant. */
export type FlowName = Branded<string, 'FlowName'>;
/** `Llmos-Caller`: one connection of a client, whose end cancels what is bound to it. */
export type CallerId = Branded<string, 'CallerId'>;
/** Number of one leadership: the revision of the write that granted the lease. */
export type Epoch = Branded<number, 'Epoch'>;

export type Token =
  TenantId | TaskId | FunctionName | NodeId | ProcessId | KernelId | TaskKey | FlowName | CallerId;

const TOKEN_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

export function isToken(text: unknown): text is string {
  return typeof text === 'string' && TOKEN_PATTERN.test(text);
}

/** Returns the text as the token type asked for, or undefined where it is not a token. */
export function tryToken<T extends Token>(text: unknown): T | undefined {
  return isToken(text) ? (text as unknown as T) : undefined;
}

/** Throws a TypeError that quotes the (shortened) text where it is not a token. */
export function asToken<T extends Token>(text: unknown, what = 'token'): T {
  if (isToken(text)) return text as unknown as T;
  throw new TypeError(`${what} ${quoteShort(text)} must match [A-Za-z0-9_-]{1,64}`);
}

export function asEpoch(value: number): Epoch {
  return value as Epoch;
}

/** The id of a task that was published without one. */
export function taskIdOfSequence(sequence: number): TaskId {
  return `s${sequence}` as TaskId;
}

/** Deterministic order of ids: by UTF-16 code unit, the same on every machine. */
export function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A foreign value for a message: JSON, escaped, cut to 80 characters. */
export function quoteShort(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(cut(value));
  // JSON would show NaN and the infinities as null.
  if (typeof value === 'number') return String(value);
  try {
    return cut(JSON.stringify(value) ?? String(value));
  } catch {
    // A few kilobytes of brackets nest deeper than JSON.stringify can follow.
    return Array.isArray(value) ? 'a list too deep to show' : 'a value that can’t be shown';
  }
}

function cut(text: string): string {
  return text.length > 80 ? `${cutText(text, 80)}…` : text;
}
