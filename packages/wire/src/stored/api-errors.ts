/** Tells the answers of the JetStream API apart by their numbers, which never change; texts do. */
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
  subjectsOverlap: 10065,
  wrongLastSequence: 10071,
  replicasNotSupported: 10074,
  insufficientResources: 10023,
  noSuitablePeers: 10005,
  storeFailed: 10077,
  consumerNotUnique: 10100,
} as const;

export function apiErrorCode(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}

export function isApiError(
  error: unknown,
  ...names: readonly (keyof typeof API_ERRORS)[]
): boolean {
  const code = apiErrorCode(error);
  return code !== undefined && names.some((name) => API_ERRORS[name] === code);
}

/** Whether the server refused because something else was written first. */
export function isConflict(error: unknown): boolean {
  if (isApiError(error, 'wrongLastSequence')) return true;
  return isApiError(error, 'storeFailed') && describeApiError(error).includes('per subject');
}

export function describeApiError(error: unknown): string {
  if (error instanceof NatsError && error.api_error !== undefined) {
    return error.api_error.description;
  }
  return error instanceof Error ? error.message : String(error);
}

/** No answer, nobody there, or a cluster between two leaders: the same request may work later. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof NatsError)) return false;
  const { api_error: refusal, code } = error;
  if (refusal !== undefined) return refusal.code === 503 && !isApiError(error, 'storeFailed');
  return code === (ErrorCode.Timeout as string) || code === (ErrorCode.NoResponders as string);
}

/** Larger than the server or the stream takes. It will never go as it is. */
export function isTooLarge(error: unknown): boolean {
  if (isApiError(error, 'messageExceedsMaximum')) return true;
  return error instanceof NatsError && error.code === (ErrorCode.MaxPayloadExceeded as string);
}
