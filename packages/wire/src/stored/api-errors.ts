/**
 * Tells apart what a NATS server refuses, for every program: the answers of the JetStream API by
 * their numbers, which never change while texts do, and the failures of the client by its codes.
 * An answer arrives as an error of the client, or as bytes where a program asks for itself.
 */
import { decodeJson, isRecord } from '@llmos/base';
import { ErrorCode, NatsError } from 'nats';

export const API_ERRORS = {
  consumerNotFound: 10014,
  maximumConsumersLimit: 10026,
  noMessageFound: 10037,
  messageExceedsMaximum: 10054,
  messageDeleteFailed: 10057,
  sequenceNotFound: 10043,
  insufficientStorage: 10047,
  streamCreateFailed: 10049,
  streamNameInUse: 10058,
  streamNotFound: 10059,
  restoreFailed: 10062,
  subjectsOverlap: 10065,
  wrongLastSequence: 10071,
  replicasNotSupported: 10074,
  insufficientResources: 10023,
  noSuitablePeers: 10005,
  storeFailed: 10077,
  consumerNotUnique: 10100,
} as const;

export type ApiErrorName = keyof typeof API_ERRORS;

/** What the JetStream API answered in place of a result. */
export interface ApiRefusal {
  /** As in HTTP: 404, 503, … */
  readonly status: number;
  /** One of `API_ERRORS`, or another one. */
  readonly code: number;
  readonly description: string;
}

export type ApiAnswer =
  | { readonly kind: 'answered'; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refused'; readonly refusal: ApiRefusal }
  | { readonly kind: 'unreadable' };

/** Reads the body of an answer of the API; nothing at all is an answer without fields. */
export function readApiAnswer(bytes: Uint8Array): ApiAnswer {
  if (bytes.byteLength === 0) return { kind: 'answered', fields: {} };
  let fields: unknown;
  try {
    fields = decodeJson(bytes);
  } catch {
    return { kind: 'unreadable' };
  }
  if (!isRecord(fields)) return { kind: 'unreadable' };
  const { error } = fields;
  if (!isRecord(error)) return { kind: 'answered', fields };
  const { code: status, err_code: code = status, description = '' } = error;
  const refusal = { status: Number(status), code: Number(code), description: String(description) };
  return { kind: 'refused', refusal };
}

export function isRefusal(refusal: ApiRefusal, ...names: readonly ApiErrorName[]): boolean {
  return names.some((name) => API_ERRORS[name] === refusal.code);
}

const LACKING_ROOM: readonly ApiErrorName[] = [
  'insufficientStorage',
  'insufficientResources',
  'noSuitablePeers',
  'replicasNotSupported',
];

/** The server, or its cluster, has too little room for a stream. */
export function lacksRoom(refusal: ApiRefusal): boolean {
  return isRefusal(refusal, ...LACKING_ROOM);
}

function refusalOf(error: unknown): ApiRefusal | undefined {
  const refused = error instanceof NatsError ? error.api_error : undefined;
  if (refused === undefined) return undefined;
  const { code: status, err_code: code = status, description } = refused;
  return { status, code, description };
}

export function isApiError(error: unknown, ...names: readonly ApiErrorName[]): boolean {
  const refusal = refusalOf(error);
  return refusal !== undefined && isRefusal(refusal, ...names);
}

/** Whether the server refused because something else was written first. */
export function isConflict(error: unknown): boolean {
  if (isApiError(error, 'wrongLastSequence')) return true;
  return isApiError(error, 'storeFailed') && describeApiError(error).includes('per subject');
}

export function describeApiError(error: unknown): string {
  const refusal = refusalOf(error);
  if (refusal !== undefined) return refusal.description;
  return error instanceof Error ? error.message : String(error);
}

/** No answer, nobody there, or a cluster between two leaders: the same request may work later. */
export function isUnavailable(error: unknown): boolean {
  const refusal = refusalOf(error);
  if (refusal !== undefined) return refusal.status === 503 && !isRefusal(refusal, 'storeFailed');
  return isTimeout(error) || isUnheard(error);
}

/** Larger than the server or the stream takes. It will never go as it is. */
export function isTooLarge(error: unknown): boolean {
  return isApiError(error, 'messageExceedsMaximum') || hasCode(error, ErrorCode.MaxPayloadExceeded);
}

/** Whether the JetStream API answered, with a refusal. */
export function isRefused(error: unknown): boolean {
  return refusalOf(error) !== undefined;
}

/** Whether the client or the server refused, rather than the program itself. */
export function isNatsError(error: unknown): boolean {
  return error instanceof NatsError;
}

/** Nobody listens on the subject: the request was not received. */
export function isUnheard(error: unknown): boolean {
  return hasCode(error, ErrorCode.NoResponders);
}

/** Nothing came in time; the request may have been received. */
export function isTimeout(error: unknown): boolean {
  return hasCode(error, ErrorCode.Timeout);
}

/** A name or a value that no header may have. */
export function isBadHeader(error: unknown): boolean {
  return hasCode(error, ErrorCode.BadHeader);
}

/** Why no connection was opened, where the server said so. */
export function connectRefusal(error: unknown): 'credentials' | 'no-tls' | undefined {
  if (hasCode(error, ErrorCode.ServerOptionNotAvailable)) return 'no-tls';
  const isUnknown =
    hasCode(error, ErrorCode.AuthorizationViolation) ||
    hasCode(error, ErrorCode.AuthenticationTimeout);
  return isUnknown ? 'credentials' : undefined;
}

function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof NatsError && error.code === (code as string);
}
