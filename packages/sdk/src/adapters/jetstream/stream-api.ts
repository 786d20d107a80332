/** Streams as JetStream's API describes them, and the removal of one message. */
import { encodeJson, isRecord } from '@llmos/base';
import type { ApiAnswer } from '@llmos/wire';
import { isRefusal, readApiAnswer } from '@llmos/wire';
import { SDK_LIMITS } from '../../limits';
import type { MessageLink, RequestWait } from '../../ports/message-link';
import type {
  PurgeOutcome,
  ReadLimit,
  RemoveOutcome,
  StreamDescription,
  StreamOutcome,
} from '../../ports/stored-messages';

const NOT_FOUND = 404;
export const UNREADABLE_ANSWER = 'an answer that can’t be read';

export async function readStreamState(
  link: MessageLink,
  stream: string,
  limit: ReadLimit = {},
): Promise<StreamOutcome> {
  const subject = `$JS.API.STREAM.INFO.${stream}`;
  const outcome = await link.request({ subject, body: new Uint8Array() }, waitOf(limit));
  if (outcome.kind !== 'answered') return { kind: 'unavailable', reason: outcome.kind };
  const answer = readApiAnswer(outcome.message.body);
  if (answer.kind === 'answered')
    return { kind: 'found', stream: streamRow(stream, answer.fields) };
  if (answer.kind === 'refused' && answer.refusal.status === NOT_FOUND) return { kind: 'absent' };
  return unavailable(answer);
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

/** What servers answer, by their age, where the message is not there. */
const GONE = ['noMessageFound', 'sequenceNotFound', 'messageDeleteFailed'] as const;

export async function removeStored(
  link: MessageLink,
  of: { readonly stream: string; readonly sequence: number },
): Promise<RemoveOutcome> {
  const subject = `$JS.API.STREAM.MSG.DELETE.${of.stream}`;
  const body = encodeJson({ seq: of.sequence, no_erase: true });
  const outcome = await link.request({ subject, body }, { waitMs: SDK_LIMITS.readTimeoutMs });
  if (outcome.kind !== 'answered') return { kind: 'unavailable', reason: outcome.kind };
  const answer = readApiAnswer(outcome.message.body);
  if (answer.kind === 'answered') return { kind: 'removed' };
  return answer.kind === 'refused' && isRefusal(answer.refusal, ...GONE)
    ? { kind: 'absent' }
    : unavailable(answer);
}

export async function purgeStored(
  link: MessageLink,
  of: { readonly stream: string; readonly subject: string; readonly belowSequence: number },
): Promise<PurgeOutcome> {
  const subject = `$JS.API.STREAM.PURGE.${of.stream}`;
  const body = encodeJson({ filter: of.subject, seq: of.belowSequence });
  const outcome = await link.request({ subject, body }, { waitMs: SDK_LIMITS.purgeTimeoutMs });
  if (outcome.kind !== 'answered') return { kind: 'unavailable', reason: outcome.kind };
  const answer = readApiAnswer(outcome.message.body);
  if (answer.kind !== 'answered') return unavailable(answer);
  return { kind: 'purged', removed: Number(answer.fields['purged'] ?? 0) };
}

function unavailable(answer: Exclude<ApiAnswer, { readonly kind: 'answered' }>): {
  readonly kind: 'unavailable';
  readonly reason: string;
} {
  const reason = answer.kind === 'refused' ? answer.refusal.description : UNREADABLE_ANSWER;
  return { kind: 'unavailable', reason };
}
