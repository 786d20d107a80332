/** A task's input as bytes, within what the system takes. */
import {
  HEADERS,
  LlmosError,
  PROTOBUF_CONTENT_TYPE,
  WIRE_LIMITS,
  isRecord,
  isToken,
  parseModelRef,
} from '@llmos/base';
import { invalid } from './call-options';
import { packEmbedInput } from './functions/packed-embed';

export interface EncodedInput {
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Of a task whose result goes to the caller alone: `embed` as protobuf, all else as JSON. Throws as
 * `encodeInput` does.
 */
export function encodeCallInput(
  name: string,
  input: unknown,
  maxPayloadBytes: number,
): EncodedInput {
  const packed = name === 'embed' ? packEmbedInput(input) : undefined;
  if (packed === undefined) return encodeInput(name, input, maxPayloadBytes);
  assertFits(name, packed, maxPayloadBytes);
  const headers = headersOfLargeInput(input, packed.byteLength);
  return { body: packed, headers: { [HEADERS.contentType]: PROTOBUF_CONTENT_TYPE, ...headers } };
}

/**
 * Throws INVALID_ARGUMENT where the input has no JSON form or is too large; the latter names both
 * sizes.
 */
export function encodeInput(name: string, input: unknown, maxPayloadBytes: number): EncodedInput {
  const body = toJson(name, input);
  assertFits(name, body, maxPayloadBytes);
  return { body, headers: headersOfLargeInput(input, body.byteLength) };
}

function assertFits(name: string, body: Uint8Array, maxPayloadBytes: number): void {
  const limitBytes = maxPayloadBytes - WIRE_LIMITS.bodyReserveBytes;
  if (body.byteLength <= limitBytes) return;
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
