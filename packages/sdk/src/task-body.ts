/** A task's input as bytes, within what the system takes. */
import { HEADERS, LlmosError, WIRE_LIMITS, isRecord, isToken, parseModelRef } from '@llmos/base';
import { invalid } from './call-options';

/**
 * Throws INVALID_ARGUMENT where the input has no JSON form or is too large; the latter names both
 * sizes.
 */
export function encodeInput(name: string, input: unknown, maxPayloadBytes: number): Uint8Array {
  const body = toJson(name, input);
  const limitBytes = maxPayloadBytes - WIRE_LIMITS.bodyReserveBytes;
  if (body.byteLength <= limitBytes) return body;
  const message =
    `the input of ${name} has ${body.byteLength} bytes; at most ${limitBytes} fit: the server's ` +
    `max_payload of ${maxPayloadBytes} less ${WIRE_LIMITS.bodyReserveBytes} for headers`;
  throw new LlmosError('INVALID_ARGUMENT', message, {
    details: { bytes: body.byteLength, limitBytes },
  });
}

/** Of a body too large for the kernel to read, the fields it needs travel as headers. */
export function headersOfLargeInput(
  input: unknown,
  bodyBytes: number,
): Readonly<Record<string, string>> {
  if (bodyBytes <= WIRE_LIMITS.kernelParseBytes || !isRecord(input)) return {};
  const { model, key } = input;
  return {
    ...(parseModelRef(model) === undefined ? {} : { [HEADERS.model]: String(model) }),
    ...(isToken(key) ? { [HEADERS.key]: key } : {}),
  };
}

function toJson(name: string, input: unknown): Uint8Array {
  let cause: unknown;
  try {
    const text = JSON.stringify(input) as string | undefined;
    if (text !== undefined) return new TextEncoder().encode(text);
  } catch (thrown) {
    cause = thrown; // a cycle, a BigInt, or a toJSON that throws
  }
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  throw invalid(`the input of ${name}, of type ${typeof input}, has no JSON form${reason}`, {
    cause,
  });
}
