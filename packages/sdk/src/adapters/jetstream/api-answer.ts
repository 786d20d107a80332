import { decodeJson, isRecord } from '@llmos/base';

/** An answer of JetStream's API; one that can't be read is an empty one. */
export function readApiAnswer(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value = decodeJson(bytes);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}
