/**
 * What a backup's folder says of itself (`backup.json`): the streams it holds, as their server knew
 * them, and the digest of each file. Pure.
 *
 * It is written after each stream, so a backup that was cut short goes on where it stopped; only
 * one that says `isComplete` is restored. What is read may have been changed by anybody: the file
 * of a stream follows from the stream's name, never from the manifest. What a disk has changed is
 * found by a digest of its own: one bit more in an age would remove what a stream holds.
 */
import { createHash } from 'node:crypto';
import { LlmosError, isRecord, quoteShort } from '@llmos/base';
import { CLI_LIMITS } from '../limits';

export const MANIFEST_FILE = 'backup.json';
/** Rises when an older `llmos restore` could not read what is written. */
const FORMAT = 1;

export interface StreamState {
  readonly messages: number;
  readonly bytes: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** The server's own words; passed on as they are, but for the few fields that a restore changes. */
export type StreamConfigRecord = Readonly<Record<string, unknown>>;

export interface BackedUpStream {
  readonly name: string;
  /** When its server made it: another stream of the same name is another stream. */
  readonly created: string;
  readonly config: StreamConfigRecord;
  readonly state: StreamState;
  /** The server's own, as it wants it back. */
  readonly rawState: Readonly<Record<string, unknown>>;
  readonly fileBytes: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly isComplete: boolean;
  readonly createdAt: string;
  readonly llmosVersion: string;
  /** Version of the NATS server it was taken from. */
  readonly serverVersion: string;
  readonly streams: readonly BackedUpStream[];
}

const PREFIXES = /^(LLMOS_|KV_llmos_|OBJ_llmos_)[A-Za-z0-9_-]{1,64}$/;
/** A kernel's way to ask for room. */
export const PROBE_STREAM = 'LLMOS_PROBE';
/** Of kernels, and never with anything in it: a look for room, and the mark of hidden streams. */
const EMPTY_STREAMS: readonly string[] = [PROBE_STREAM, 'LLMOS_HIDDEN'];

/** Streams, buckets and object stores of llmos, those of later versions too. */
export function isOwnStream(name: string): boolean {
  return PREFIXES.test(name) && !EMPTY_STREAMS.includes(name);
}

export function snapshotFile(name: string): string {
  return `${name}.snapshot`;
}

export function formatManifest(manifest: Manifest): string {
  const fields = { format: FORMAT, ...manifest };
  return `${JSON.stringify({ ...fields, digest: digestOf(fields) }, undefined, 2)}\n`;
}

/** Of what it says, however it is laid out. */
function digestOf(fields: Readonly<Record<string, unknown>>): string {
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex');
}

/** Throws FAILED_PRECONDITION, naming `file`, for whatever is no manifest of a known format. */
export function parseManifest(text: string, file: string): Manifest {
  const fields = parseJson(text, file);
  if (fields['format'] !== FORMAT) {
    const found = quoteShort(fields['format']);
    throw invalid(file, `it has format ${found}, this version of llmos reads ${FORMAT}`);
  }
  const { digest, ...said } = fields;
  if (digest !== digestOf(said)) {
    throw invalid(file, 'it is not what was written; take another backup');
  }
  const { isComplete, createdAt, llmosVersion, serverVersion, streams } = said;
  if (!Array.isArray(streams) || streams.length > CLI_LIMITS.backupStreams) {
    throw invalid(file, `"streams" must be a list of at most ${CLI_LIMITS.backupStreams}`);
  }
  const parsed = streams.map((stream: unknown) => parseStream(stream, file));
  const names = new Set(parsed.map(({ name }) => name));
  if (names.size !== parsed.length) throw invalid(file, 'a stream is listed twice');
  return {
    isComplete: isComplete === true,
    createdAt: text64(createdAt, 'createdAt', file),
    llmosVersion: text64(llmosVersion, 'llmosVersion', file),
    serverVersion: text64(serverVersion, 'serverVersion', file),
    streams: parsed,
  };
}

function parseJson(text: string, file: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (isRecord(value)) return value;
  throw invalid(file, 'it is no JSON object');
}

function parseStream(value: unknown, file: string): BackedUpStream {
  const fields = isRecord(value) ? value : {};
  const { name, config, rawState, fileBytes, sha256 } = fields;
  if (typeof name !== 'string' || !isOwnStream(name)) {
    throw invalid(file, `${quoteShort(name)} is no stream of llmos`);
  }
  if (!isRecord(config) || config['name'] !== name) {
    throw invalid(file, `the configuration of ${name} is of another stream`);
  }
  const state = isRecord(rawState) ? parseState(rawState) : undefined;
  if (!isRecord(rawState) || state === undefined) throw invalid(file, `${name} has no state`);
  if (!isCount(fileBytes)) throw invalid(file, `${name} has no size`);
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) {
    throw invalid(file, `${name} has no digest`);
  }
  const created = text64(fields['created'], 'created', file);
  return { name, created, config, state, rawState, fileBytes, sha256 };
}

/** The state of a stream as a server tells it; undefined where that is none. */
export function parseState(fields: Readonly<Record<string, unknown>>): StreamState | undefined {
  const { messages, bytes, first_seq: first, last_seq: last } = fields;
  if (!isCount(messages) || !isCount(bytes) || !isCount(first) || !isCount(last)) return undefined;
  return { messages, bytes, firstSequence: first, lastSequence: last };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function text64(value: unknown, name: string, file: string): string {
  if (typeof value === 'string' && value.length <= 64) return value;
  throw invalid(file, `"${name}" is ${quoteShort(value)}`);
}

function invalid(file: string, reason: string): LlmosError {
  return new LlmosError('FAILED_PRECONDITION', `${file} is no backup that can be read: ${reason}`);
}
