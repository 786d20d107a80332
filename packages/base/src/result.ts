/** The body of a committed result, and of every answer to a `call`, `submit` or system call. */
import type { ErrorBody } from './errors';
import { errorBody, isErrorCode } from './errors';

export type Result<Output = unknown> =
  | { readonly ok: true; readonly output: Output }
  | { readonly ok: false; readonly error: ErrorBody };

/** All that the kernel must know of a result that is stored. */
export interface ResultEnd {
  readonly ok: boolean;
  readonly errorCode?: string;
}

export function success<Output>(output: Output): Result<Output> {
  return { ok: true, output };
}

export function failure(error: ErrorBody): Result<never> {
  return { ok: false, error };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/** Parses JSON bytes; throws a SyntaxError or TypeError on invalid UTF-8 or JSON. */
export function decodeJson(bytes: Uint8Array): unknown {
  return JSON.parse(decoder.decode(bytes));
}

/** Reads a result; what is not one becomes an INTERNAL error that says so. */
export function parseResult(bytes: Uint8Array): Result {
  let value: unknown;
  try {
    value = decodeJson(bytes);
  } catch {
    return failure(errorBody('INTERNAL', 'the result is not JSON'));
  }
  if (isRecord(value) && value['ok'] === true && 'output' in value) {
    return success(value['output']);
  }
  const error = isRecord(value) && value['ok'] === false ? value['error'] : undefined;
  if (isRecord(error) && isErrorCode(error['code']) && typeof error['message'] === 'string') {
    const details = error['details'];
    return failure({
      code: error['code'],
      retryable: error['retryable'] === true,
      message: error['message'],
      ...(isRecord(details) ? { details } : {}),
    });
  }
  return failure(errorBody('INTERNAL', 'the result has neither an output nor an error'));
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
