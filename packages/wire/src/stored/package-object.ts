/**
 * Files of model packages as they lie in a JetStream object store, in the layout that every NATS
 * client reads: the pieces on `$O.<bucket>.C.<upload>`, the description on `$O.<bucket>.M.<name>`.
 */
import { PACKAGE_STORE, decodeJson, isRecord } from '@llmos/base';

export const PACKAGE_STREAM = `OBJ_${PACKAGE_STORE}`;

export interface PackageObject {
  /** Its pieces lie on the subject of this upload. */
  readonly upload: string;
  readonly pieces: number;
  /** As its uploader said, whatever that was. */
  readonly size: unknown;
}

export function objectSubject(name: string): string {
  return `$O.${PACKAGE_STORE}.M.${paddedBase64Url(Buffer.from(name))}`;
}

export function piecesSubject(upload: string): string {
  return `$O.${PACKAGE_STORE}.C.${upload}`;
}

/** Undefined where it was removed, or is no description. */
export function readPackageObject(bytes: Uint8Array): PackageObject | undefined {
  let meta: unknown;
  try {
    meta = decodeJson(bytes);
  } catch {
    return undefined;
  }
  if (!isRecord(meta) || meta['deleted'] === true) return undefined;
  const { nuid, chunks, size } = meta;
  // The upload's id stands in a subject.
  if (typeof nuid !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(nuid)) return undefined;
  if (typeof chunks !== 'number' || !Number.isSafeInteger(chunks) || chunks < 0) return undefined;
  return { upload: nuid, pieces: chunks, size };
}

export function paddedBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
