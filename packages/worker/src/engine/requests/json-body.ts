/** JSON bodies of tasks and results. Foreign bytes: bounded in size and depth before parsing. */
import type { AnswerRoom } from './answer-room';
import type { EngineAnswer } from '../engine';
import { LlmosError, decodeJson, encodeJson, failure, success } from '@llmos/base';
import { ENGINE_LIMITS } from '../limits';
import { encodeTensorsJson } from '../tensors/tensor-json';

/** Throws INVALID_ARGUMENT where the body is not JSON, or too large or deep to read. */
export function decodeJsonBody(body: Uint8Array): unknown {
  assertBodySize(body);
  const depth = depthOf(body);
  if (depth > ENGINE_LIMITS.maxBodyDepth) {
    throw invalid(`the body nests deeper than ${ENGINE_LIMITS.maxBodyDepth}`);
  }
  try {
    return decodeJson(body);
  } catch (thrown) {
    throw invalid(`the body is not JSON: ${(thrown as Error).message.slice(0, 200)}`);
  }
}

export function assertBodySize(body: Uint8Array): void {
  if (body.byteLength <= ENGINE_LIMITS.maxBodyBytes) return;
  const { maxBodyBytes } = ENGINE_LIMITS;
  throw invalid(`the body has ${body.byteLength} bytes; at most ${maxBodyBytes} are read`);
}

/** The most brackets that are open at once, outside of texts. */
function depthOf(body: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let isInText = false;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at];
    if (isInText) {
      if (byte === 0x5c) at += 1;
      else if (byte === 0x22) isInText = false;
    } else if (byte === 0x22) {
      isInText = true;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      deepest = Math.max(deepest, depth);
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1;
    }
  }
  return deepest;
}

/** Throws RESOURCE_EXHAUSTED where tensors have more text than the room. */
export function encodeJsonResult(answer: EngineAnswer, room: AnswerRoom): Uint8Array {
  if (answer.kind === 'failed') return encodeJson(failure(answer.error));
  if (answer.output.kind === 'value') return encodeJson(success(answer.output.value));
  return encodeTensorsJson(answer.output.tensors, room);
}

function invalid(message: string): LlmosError {
  return new LlmosError('INVALID_ARGUMENT', message);
}
