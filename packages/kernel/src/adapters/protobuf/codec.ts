/** Results and bodies in the formats that a task may ask for. Generated types stop here. */
import type { BodyFormat, Result } from '@llmos/base';
import { PROTOBUF_CONTENT_TYPE, encodeJson } from '@llmos/base';
import { functions } from '@llmos/proto';
import { encodeErrorResult } from '@llmos/wire';
import type { ProtobufBodyReader } from '../../services/task-body';

export interface EncodedResult {
  readonly body: Uint8Array;
  /** Absent for JSON. */
  readonly contentType?: string;
}

/** The kernel itself only ever answers errors; successes come from processes, already encoded. */
export function encodeResult(result: Result, format: BodyFormat): EncodedResult {
  if (format === 'json' || result.ok) return { body: encodeJson(result) };
  return { body: encodeErrorResult(result.error, format), contentType: PROTOBUF_CONTENT_TYPE };
}

const MODEL_READERS: ReadonlyMap<string, ProtobufBodyReader> = new Map([
  ['embed', (_name, body) => named(functions.EmbedInput.decode(body))],
  ['classify', (_name, body) => named(functions.ClassifyInput.decode(body))],
  ['extract', (_name, body) => named(functions.ExtractInput.decode(body))],
  ['generate', (_name, body) => named(functions.GenerateInput.decode(body))],
  ['infer', (_name, body) => named(functions.InferInput.decode(body))],
]);

/** Throws on bytes that are not the function's input, and on functions without a message. */
export const readProtobufBody: ProtobufBodyReader = (functionName, body) => {
  if (functionName === 'echo') {
    functions.EchoInput.decode(body);
    return {};
  }
  const read = MODEL_READERS.get(functionName);
  if (read === undefined) throw new TypeError(`${functionName} takes no protobuf`);
  return read(functionName, body);
};

function named(message: { model?: string | undefined; key?: string | undefined }): {
  model?: string;
  key?: string;
} {
  return {
    ...(message.model === undefined ? {} : { model: message.model }),
    ...(message.key === undefined ? {} : { key: message.key }),
  };
}
