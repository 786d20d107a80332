/** Streams as JetStream's API describes them, and the removal of one message. */
import { encodeJson, isRecord } from '@llmos/base';
import { SDK_LIMITS } from '../../limits';
import type { MessageLink, RequestWait } from '../../ports/message-link';
import type {
  PurgeOutcome,
  ReadLimit,
  RemoveOutcome,
  StreamDescription,
  StreamOutcome,
} from '../../ports/stored-messages';
import { readApiAnswer } from './api-answer';

const NOT_FOUND = 404;
/** JetStream's error code for "no message found". */
const NO_MESSAGE_FOUND = 10_037;
/** What 2.9 and newer answer where the sequence is not there. */
const SEQUENCE_NOT_FOUND = 10_043;
const MESSAGE_DELETE_FAILED = 10_057;

export async function readStreamState(
  link: MessageLink,
  stream: string,
  limit: ReadLimit = {},
): Promise<StreamOutcome> {
  const subject = `$JS.API.STREAM.INFO.${stream}`;
  const outcome = await link.request({ subject, body: new Uint8Array() }, waitOf(limit));
  if (outcome.kind !== 'answered') return { kind: 'unavailable', reason: outcome.kind };
  const answer = readApiAnswer(outcome.message.body);
  const error = answer['error'];
  if (isRecord(error)) {
    if (error['code'] === NOT_FOUND) return { kind: 'absent' };
    return { kind: 'unavailable', reason: String(error['description']) };
  }
  return { kind: 'found', stream: streamRow(stream, answer) };
}

export function waitOf({ signal, waitMs = Infinity }: ReadLimit): RequestWait {
  return { waitMs: Math.min(SDK_LIMITS.readTimeoutMs, waitMs), signal };
}

function streamRow(name: string, answer: Readonly<Record<string, unknown>>): StreamDescription {
  const config = isRecord(answer['config']) ? answer['config'] : {};
  const state = isRecord(answer['state']) ? answer['state'] : {};
  const { subjects } = config;
  return {
    name,
    subjects: Array.isArray(subjects) ? subjects.map(String) : [],
    retention: String(config['retention']),
    storage: String(config['storage']),
    discard: String(config['discard']),
    allowsDirect: config['allow_direct'] === true,
    replicas: Number(config['num_replicas'] ?? 1),
    messages: Number(state['messages'] ?? 0),
    bytes: Number(state['bytes'] ?? 0),
    maxBytes: Number(config['max_bytes'] ?? -1),
    firstSequence: Number(state['first_seq'] ?? 0),
    lastSequence: Number(state['last_seq'] ?? 0),
  };
}

export async function removeStored(
  link: MessageLink,
  of: { readonly stream: string; readonly sequence: number },
): Promise<RemoveOutcome> {
  const subject = `$JS.API.STREAM.MSG.DELETE.${of.stream}`;
  const body = encodeJson({ seq: of.sequence, no_erase: true });
  const outcome = await link.request({ subject, body }, { waitMs: SDK_LIMITS.readTimeoutMs });
  if (outcome.kind !== 'answered') return { kind: 'unavailable', reason: outcome.kind };
  const { error } = readApiAnswer(outcome.message.body);
  if (!isRecord(error)) return { kind: 'removed' };
  const gone = [NO_MESSAGE_FOUND, SEQUENCE_NOT_FOUND, MESSAGE_DELETE_FAILED];
  if (gone.includes(Number(error['err_code']))) return { kind: 'absent' };
  return { kind: 'unavailable', reason: String(error['description']) };
}

export async function purgeStored(
  link: MessageLink,
  of: { readonly stream: string; readonly subject: string; readonly belowSequence: number },
): Promise<PurgeOutcome> {
  const subject = `$JS.API.STREAM.PURGE.${of.stream}`;
  const body = encodeJson({ filter: of.subject, seq: of.belowSequence });
  const outcome = await link.request({ subject, body }, { waitMs: SDK_LIMITS.purgeTimeoutMs });
  if (outcome.kind !== 'answered') return { kind: 'unavailable', reason: outcome.kind };
  const { error, purged } = readApiAnswer(outcome.message.body);
  if (isRecord(error)) return { kind: 'unavailable', reason: String(error['description']) };
  return { kind: 'purged', removed: Number(purged ?? 0) };
}
