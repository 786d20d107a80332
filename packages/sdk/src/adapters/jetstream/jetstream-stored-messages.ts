/**
 * Reads stored messages by direct get, and by the stream API where a stream has no direct get.
 *
 * Of all of JetStream's API a tenant needs direct get only, and of a result only its own: the
 * subject of a direct get ends with the subject that is read, so permissions can tell.
 */
import { encodeJson, isRecord } from '@llmos/base';
import type { ApiAnswer } from '@llmos/wire';
import { isRefusal, readApiAnswer, readDirectAnswer, readHeaderBlock } from '@llmos/wire';
import type { IncomingMessage, MessageLink } from '../../ports/message-link';
import type { ReadLast, ReadOutcome, StoredMessages } from '../../ports/stored-messages';
import {
  UNREADABLE_ANSWER,
  purgeStored,
  readStreamState,
  removeStored,
  waitOf,
} from './stream-api';

const API = '$JS.API';

export function createJetStreamStoredMessages(link: MessageLink): StoredMessages {
  // A stream without direct get does not answer at all; it is asked that way once.
  const withoutDirect = new Set<string>();
  const read = async (of: ReadLast, direct: DirectQuery): Promise<ReadOutcome> => {
    const isDirect = !withoutDirect.has(of.stream);
    const first = isDirect ? await directGet(link, of, direct) : undefined;
    if (first?.kind === 'unreadable') return readPastHeaders(link, of, { direct, first });
    if (first !== undefined) return first;
    const reason = isDirect ? await reasonAgainstMessageGet(link, of) : undefined;
    if (reason !== undefined) return reason;
    const second = await messageGet(link, of, direct.query);
    if (second.kind !== 'unavailable') withoutDirect.add(of.stream);
    return second;
  };
  return {
    readLast: (of) => {
      const query = { last_by_subj: of.subject };
      return read(of, { query, suffix: `.${of.subject}`, body: new Uint8Array() });
    },
    readNext: (of) => {
      const query = { seq: of.fromSequence, next_by_subj: of.subject };
      return read(of, { query, suffix: '', body: encodeJson(query) });
    },
    readStream: (stream, limit) => readStreamState(link, stream, limit),
    remove: (of) => removeStored(link, of),
    purge: (of) => purgeStored(link, of),
  };
}

interface DirectQuery {
  readonly query: Readonly<Record<string, unknown>>;
  readonly suffix: string;
  readonly body: Uint8Array;
}

/** @returns undefined where nobody answers: direct get is off, or there is no such stream. */
async function directGet(
  link: MessageLink,
  of: ReadLast,
  direct: DirectQuery,
): Promise<ReadOutcome | undefined> {
  const subject = `${API}.DIRECT.GET.${of.stream}${direct.suffix}`;
  const outcome = await link.request({ subject, body: direct.body }, waitOf(of));
  switch (outcome.kind) {
    case 'answered':
      return readDirect(outcome.message);
    case 'unreadable':
      return outcome;
    case 'silent':
    case 'no-responders':
    case 'denied':
      return undefined;
    default:
      return { kind: 'unavailable', reason: outcome.kind };
  }
}

/** The stream API gives headers as bytes, of which the lines that can be read are read. */
async function readPastHeaders(
  link: MessageLink,
  of: ReadLast,
  { direct, first }: { readonly direct: DirectQuery; readonly first: ReadOutcome },
): Promise<ReadOutcome> {
  const second = await messageGet(link, of, direct.query);
  return second.kind === 'unavailable' ? first : second;
}

function readDirect(message: IncomingMessage): ReadOutcome {
  const header = (name: string): string | undefined => message.header(name);
  const answer = readDirectAnswer(message.status ?? 0, header);
  if (answer.kind === 'absent') return answer;
  if (answer.kind === 'refused') return { kind: 'unavailable', reason: answer.reason };
  return {
    kind: 'found',
    message: {
      sequence: answer.sequence,
      subject: header('Nats-Subject') ?? '',
      body: message.body,
      contentType: header('Content-Type'),
      storedWallMs: Date.parse(header('Nats-Time-Stamp') ?? ''),
      header,
    },
  };
}

/**
 * A stream that is being made has no direct get yet, and is asked for no message either: servers
 * of 2.9 die of that. One that holds messages has been made.
 *
 * @returns undefined where the stream holds messages and has no direct get.
 */
async function reasonAgainstMessageGet(
  link: MessageLink,
  of: ReadLast,
): Promise<ReadOutcome | undefined> {
  const outcome = await readStreamState(link, of.stream, of);
  if (outcome.kind === 'unavailable') return outcome;
  if (outcome.kind === 'absent') return { kind: 'unavailable', reason: 'stream not found' };
  const { allowsDirect, messages } = outcome.stream;
  if (allowsDirect) return { kind: 'unavailable', reason: 'direct get does not answer' };
  return messages === 0 ? { kind: 'absent' } : undefined;
}

async function messageGet(
  link: MessageLink,
  of: ReadLast,
  query: Readonly<Record<string, unknown>>,
): Promise<ReadOutcome> {
  const subject = `${API}.STREAM.MSG.GET.${of.stream}`;
  const outcome = await link.request({ subject, body: encodeJson(query) }, waitOf(of));
  if (outcome.kind !== 'answered') return { kind: 'unavailable', reason: outcome.kind };
  return readMessage(readApiAnswer(outcome.message.body));
}

function readMessage(answer: ApiAnswer): ReadOutcome {
  if (answer.kind === 'unreadable') return { kind: 'unavailable', reason: UNREADABLE_ANSWER };
  if (answer.kind === 'refused') {
    if (isRefusal(answer.refusal, 'noMessageFound')) return { kind: 'absent' };
    return { kind: 'unavailable', reason: answer.refusal.description };
  }
  const message = isRecord(answer.fields['message']) ? answer.fields['message'] : {};
  const { seq, subject, data, hdrs, time } = message;
  if (typeof seq !== 'number') return { kind: 'unavailable', reason: 'an answer without message' };
  const { get } = readHeaderBlock(typeof hdrs === 'string' ? hdrs : '');
  const header = (name: string): string | undefined => get(name) || undefined;
  const stored = {
    sequence: seq,
    subject: String(subject),
    body: Buffer.from(typeof data === 'string' ? data : '', 'base64'),
    contentType: header('Content-Type'),
    storedWallMs: Date.parse(String(time)),
    header,
  };
  return { kind: 'found', message: stored };
}
