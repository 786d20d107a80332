/** The built-in program `echo`: answers any JSON (or protobuf) value unchanged. */
import { LlmosError, NO_COST, decodeJson, quoteShort } from '@llmos/base';
import type { Attempt, AttemptHandler } from '@llmos/process';
import { echoProtobuf } from '../adapters/protobuf/echo-codec';

const JSON_START = Buffer.from('{"ok":true,"output":');
const JSON_END = Buffer.from('}');
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

export const echoHandler: AttemptHandler = async (attempt: Attempt) => {
  const { spec, body } = attempt;
  if (spec.function !== 'echo') {
    const message = `the program echo has no function ${quoteShort(spec.function)}`;
    throw new LlmosError('UNIMPLEMENTED', message);
  }
  const startedMs = performance.now();
  const result = spec.format === 'json' ? echoJson(body) : echoProtobuf(body);
  const ms = performance.now() - startedMs;
  attempt.tellCost({ ...NO_COST, deviceMs: ms, cpuMs: ms });
  return { kind: 'answered', result };
};

/** The caller's own bytes go back, so that no number changes on the way. */
export function echoJson(body: Uint8Array): Uint8Array {
  try {
    decodeJson(body);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LlmosError('INVALID_ARGUMENT', `input of echo: not JSON: ${why.slice(0, 200)}`, {
      cause,
    });
  }
  // Decoding passes over a mark at the start; inside the result it would be an error.
  const hasMark = BYTE_ORDER_MARK.equals(body.subarray(0, BYTE_ORDER_MARK.length));
  const value = hasMark ? body.subarray(BYTE_ORDER_MARK.length) : body;
  return Buffer.concat([JSON_START, value, JSON_END]);
}
