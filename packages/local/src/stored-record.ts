/** What a system on one machine keeps in files of its folder: JSON that says its version. Pure. */
import { isRecord } from '@llmos/base';

/** undefined for whatever is no record of version 1. */
export function parseStoredRecord(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) && value['version'] === 1 ? value : undefined;
  } catch {
    return undefined;
  }
}
