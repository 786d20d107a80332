/** Error results in both body formats, and the little that must be read of a stored result. */
import type { BodyFormat, ErrorBody, ResultEnd } from '@llmos/base';
import { encodeJson, failure, isErrorCode, parseResult } from '@llmos/base';
import { functions } from '@llmos/proto';

export function encodeErrorResult(error: ErrorBody, format: BodyFormat): Uint8Array {
  if (format === 'json') return encodeJson(failure(error));
  const { code, retryable, message } = error;
  const value = { code, retryable, message, details: plain(error.details) };
  return functions.TaskResult.encode({
    usage: undefined,
    result: { $case: 'error', value },
  }).finish();
}

/** Only what JSON can say has a place in a Struct. */
function plain(details: unknown): Record<string, unknown> | undefined {
  return details === undefined
    ? undefined
    : (JSON.parse(JSON.stringify(details)) as Record<string, unknown>);
}

/** The first byte of a TaskResult that holds an error: field 1, length-delimited. */
const PROTOBUF_ERROR_TAG = 0x0a;
const JSON_ERROR_START = Buffer.from('{"ok":false');

/** Reads only errors, which are small; a stored result that is not an error counts as ok. */
export function readResultEnd(bytes: Uint8Array, format: BodyFormat): ResultEnd {
  try {
    const code = format === 'json' ? jsonErrorCode(bytes) : protobufErrorCode(bytes);
    return code === undefined ? { ok: true } : { ok: false, errorCode: code };
  } catch {
    return { ok: false, errorCode: 'UNKNOWN' };
  }
}

function jsonErrorCode(bytes: Uint8Array): string | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 11));
  if (!start.equals(JSON_ERROR_START)) return undefined;
  const result = parseResult(bytes);
  return result.ok ? undefined : result.error.code;
}

function protobufErrorCode(bytes: Uint8Array): string | undefined {
  if (bytes[0] !== PROTOBUF_ERROR_TAG) return undefined;
  const { result } = functions.TaskResult.decode(bytes);
  if (result?.$case !== 'error') return undefined;
  return isErrorCode(result.value.code) ? result.value.code : 'UNKNOWN';
}
