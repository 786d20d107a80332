/**
 * Stores package files in a JetStream object store, in the layout that every NATS client reads (see
 * wire's package-object.ts): the pieces, then, once all are stored, the description.
 *
 * Written here, not with the client's own `put`: that one sends a whole file without waiting for
 * acknowledgements, and the first one that fails is a rejection that nobody handles.
 */
import { createHash } from 'node:crypto';
import type { ErrorCode, Random } from '@llmos/base';
import { LlmosError, PACKAGE_STORE, backoffMs, encodeJson } from '@llmos/base';
import {
  PACKAGE_STREAM,
  objectSubject,
  paddedBase64Url,
  piecesSubject,
  readApiAnswer,
  readPackageObject,
} from '@llmos/wire';
import { SDK_LIMITS, UPLOAD_BACKOFF } from '../../limits';
import type { MessageLink, OutgoingMessage, RequestOutcome } from '../../ports/message-link';
import type { PackageStore, StoreObject } from '../../ports/package-store';
import type { StoredMessages } from '../../ports/stored-messages';
import type { CreateDoorbell } from '../../ports/doorbell';
import { rebuffer } from './rebuffer';

export interface PackageStoreParts {
  readonly link: MessageLink;
  readonly stored: StoredMessages;
  readonly createDoorbell: CreateDoorbell;
  readonly random: Random;
  /** A new token for each upload. */
  readonly newId: () => string;
  readonly wallMs: () => number;
}

export function createJetStreamPackageStore(parts: PackageStoreParts): PackageStore {
  return {
    has: (of) => has(parts, of),
    put: (of) => putWithRetries(parts, of),
  };
}

async function has(
  parts: PackageStoreParts,
  of: { readonly name: string; readonly bytes: number },
): Promise<boolean> {
  const outcome = await parts.stored.readLast({
    stream: PACKAGE_STREAM,
    subject: objectSubject(of.name),
  });
  if (outcome.kind === 'absent') return false;
  if (outcome.kind !== 'found') {
    const message = `the object store ${PACKAGE_STORE} can't be read: ${outcome.reason}`;
    throw new LlmosError('UNAVAILABLE', message);
  }
  return readPackageObject(outcome.message.body)?.size === of.bytes;
}

async function putWithRetries(parts: PackageStoreParts, of: StoreObject): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await putOnce(parts, of);
    } catch (error) {
      const mayHelp = error instanceof LlmosError && error.code === 'UNAVAILABLE';
      if (!mayHelp || attempt === SDK_LIMITS.maxUploadAttempts) throw error;
      const waitMs = backoffMs(UPLOAD_BACKOFF, attempt) * (0.5 + parts.random.next() / 2);
      await parts.createDoorbell().wait(waitMs, of.signal, parts.link.closed);
    }
  }
}

/** Pieces of an upload that failed are removed, as far as the server answers. */
async function putOnce(parts: PackageStoreParts, of: StoreObject): Promise<void> {
  const upload = parts.newId();
  const subject = piecesSubject(upload);
  try {
    const sent = await putPieces(parts, { ...of, subject });
    const headers = { 'Nats-Rollup': 'sub' };
    const meta = {
      name: of.name,
      description: '',
      options: { max_chunk_size: SDK_LIMITS.uploadPieceBytes },
      bucket: PACKAGE_STORE,
      nuid: upload,
      size: sent.bytes,
      chunks: sent.pieces,
      mtime: new Date(parts.wallMs()).toISOString(),
      digest: `SHA-256=${sent.digest}`,
      deleted: false,
    };
    await store(parts, { subject: objectSubject(of.name), headers, body: encodeJson(meta) }, of);
  } catch (error) {
    const body = encodeJson({ filter: subject });
    const purge = { subject: `$JS.API.STREAM.PURGE.${PACKAGE_STREAM}`, body };
    await parts.link.request(purge, { waitMs: SDK_LIMITS.readTimeoutMs });
    throw error;
  }
}

interface SentPieces {
  readonly bytes: number;
  readonly pieces: number;
  readonly digest: string;
}

async function putPieces(
  parts: PackageStoreParts,
  of: StoreObject & { readonly subject: string },
): Promise<SentPieces> {
  const hash = createHash('sha256');
  const sent = { bytes: 0, pieces: 0 };
  const inFlight = new Set<Promise<void>>();
  let failure: unknown;
  const pieceBytes = Math.min(SDK_LIMITS.uploadPieceBytes, parts.link.maxPayloadBytes());
  let storedBytes = 0;
  for await (const piece of rebuffer(of.open(), pieceBytes)) {
    hash.update(piece);
    sent.bytes += piece.byteLength;
    sent.pieces += 1;
    const storing = store(parts, { subject: of.subject, body: piece }, of).then(
      () => {
        storedBytes += piece.byteLength;
        of.onSent?.(storedBytes);
        inFlight.delete(storing);
      },
      (error: unknown) => {
        failure ??= error;
        inFlight.delete(storing);
      },
    );
    inFlight.add(storing);
    if (inFlight.size >= SDK_LIMITS.maxPiecesInFlight) await Promise.race(inFlight);
    if (failure !== undefined) break;
  }
  await Promise.all(inFlight);
  if (failure !== undefined) throw failure as Error;
  return { ...sent, digest: paddedBase64Url(hash.digest()) };
}

/** Publishes and waits for JetStream's acknowledgement. */
async function store(
  parts: PackageStoreParts,
  message: OutgoingMessage,
  of: StoreObject,
): Promise<void> {
  const wait = { waitMs: SDK_LIMITS.uploadAckMs, signal: of.signal };
  const problem = problemOf(await parts.link.request(message, wait));
  if (problem === undefined) return;
  throw new LlmosError(problem.code, `storing ${of.name} in ${PACKAGE_STORE}: ${problem.reason}`);
}

function problemOf(outcome: RequestOutcome): { code: ErrorCode; reason: string } | undefined {
  if (outcome.kind === 'aborted') return { code: 'CANCELLED', reason: 'aborted' };
  if (outcome.kind === 'denied') return { code: 'PERMISSION_DENIED', reason: outcome.reason };
  if (outcome.kind === 'closed') return { code: 'CANCELLED', reason: 'the client was closed' };
  if (outcome.kind !== 'answered') return { code: 'UNAVAILABLE', reason: outcome.kind };
  const answer = readApiAnswer(outcome.message.body);
  if (answer.kind === 'refused') {
    return { code: 'RESOURCE_EXHAUSTED', reason: answer.refusal.description };
  }
  const isStored = answer.kind === 'answered' && typeof answer.fields['seq'] === 'number';
  if (isStored) return undefined;
  return { code: 'RESOURCE_EXHAUSTED', reason: 'an unreadable acknowledgement' };
}
