/**
 * The TaskResult of `embed`, written by hand: the generated code makes two objects for each float,
 * which takes as long as JSON. Three messages in one another, and the floats as one block.
 */
import type { EmbedOutput, GenerateUsage, TextUsage } from '@llmos/base';
import { functions } from '@llmos/proto';

/** `embed` of TaskResult, `embeddings` of EmbedOutput, `values` of Vector: all length-delimited. */
const EMBED_TAG = (3 << 3) | 2;
const EMBEDDINGS_TAG = (1 << 3) | 2;
const VALUES_TAG = (1 << 3) | 2;

export function encodeEmbedResult({ embeddings, usage }: EmbedOutput): Uint8Array {
  const outputBytes = embeddings.reduce((sum, values) => sum + fieldBytes(vectorBytes(values)), 0);
  // A few bytes, written by the generated code; first, as functions.proto says.
  const counts = encodeUsage(usage);
  const result = new Uint8Array(counts.length + fieldBytes(outputBytes));
  const floats = new DataView(result.buffer);
  result.set(counts);
  let at = writeHead(result, counts.length, EMBED_TAG, outputBytes);
  for (const values of embeddings) {
    at = writeHead(result, at, EMBEDDINGS_TAG, vectorBytes(values));
    // An empty list is not written at all.
    if (values.length > 0) at = writeHead(result, at, VALUES_TAG, values.length * 4);
    for (let index = 0; index < values.length; index += 1) {
      floats.setFloat32(at, values[index] as number, true);
      at += 4;
    }
  }
  return result;
}

function encodeUsage(usage: EmbedOutput['usage']): Uint8Array {
  return functions.TaskResult.encode({ usage: usageMessage(usage), result: undefined }).finish();
}

/** Of what has no count of it: nothing, or none. */
export function usageMessage(
  usage: TextUsage | GenerateUsage | undefined,
): functions.Usage | undefined {
  return usage && { cachedTokens: 0, outputTokens: 0, ...usage };
}

function vectorBytes(values: ArrayLike<number>): number {
  return values.length === 0 ? 0 : fieldBytes(values.length * 4);
}

/** Of a length-delimited field with so many bytes: tag, length and content. */
function fieldBytes(bytes: number): number {
  let size = 2 + bytes;
  for (let rest = bytes; rest > 0x7f; rest = Math.floor(rest / 128)) size += 1;
  return size;
}

function writeHead(to: Uint8Array, start: number, tag: number, bytes: number): number {
  let at = start;
  to[at++] = tag;
  let rest = bytes;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) to[at++] = (rest % 128) + 0x80;
  to[at++] = rest;
  return at;
}
