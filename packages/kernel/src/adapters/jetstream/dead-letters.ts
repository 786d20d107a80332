/** What a dead letter carries: the original message, and why it was given up. */
import type { HeaderSource } from '@llmos/base';
import { FORWARDED_HEADERS, HEADERS, STREAMS, subjects } from '@llmos/base';
import { readHeaders, isTooLarge, readSequence, headers as newHeaders } from '@llmos/wire';
import type { JetStreamClient, JetStreamManager, MsgHdrs } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { CORE_LIMITS } from '../../limits';
import type { DeadLetter } from '../../ports/task-stream';
import { headerText } from './headers';

const NOTHING = new Uint8Array(0);

interface OriginalMessage {
  readonly body: Uint8Array;
  readonly header: HeaderSource;
}

export async function publishDeadLetter(
  to: { readonly manager: JetStreamManager; readonly jetstream: JetStreamClient },
  letter: DeadLetter,
): Promise<void> {
  const { spec } = letter;
  const original = await readOriginal(to.manager, spec.sequence);
  const headers = deadLetterHeaders(letter, original?.header ?? (() => undefined));
  const subject = subjects.dead({ tenant: spec.tenant, function: spec.function });
  const options = { headers, msgID: `${spec.tenant}/${spec.id}/${spec.sequence}` };
  try {
    await to.jetstream.publish(subject, original?.body ?? NOTHING, options);
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    // Its body filled a whole message, and a dead letter has more headers: they say why.
    await to.jetstream.publish(subject, NOTHING, options);
  }
}

/** undefined where the message is gone from the stream. */
async function readOriginal(
  manager: JetStreamManager,
  sequence: number,
): Promise<OriginalMessage | undefined> {
  const stored = await readSequence(manager, STREAMS.tasks, sequence);
  if (stored === undefined) return undefined;
  return { body: stored.data, header: readHeaders(() => stored.header).get };
}

/** Only headers of the protocol are kept: others could steer JetStream itself. */
function deadLetterHeaders(letter: DeadLetter, original: HeaderSource): MsgHdrs {
  const { spec, reason, attempts, lastError, failures } = letter;
  const headers = newHeaders();
  const set = (name: string, value: string): void =>
    headers.set(name, headerText(value, EDGE_LIMITS.maxHeaderChars));
  for (const name of FORWARDED_HEADERS) {
    const value = original(name);
    if (value !== undefined && value !== '') set(name, value);
  }
  set(HEADERS.id, spec.id);
  set(HEADERS.class, spec.class);
  set(HEADERS.reason, reason);
  set(HEADERS.attempts, String(attempts));
  const message = headerText(lastError.message, EDGE_LIMITS.maxHeaderChars / 2);
  set(HEADERS.lastError, `${lastError.code}: ${message}`);
  const history = failures.map((failure) => ({
    ...failure,
    message: headerText(failure.message, CORE_LIMITS.maxFailureChars),
  }));
  headers.set(HEADERS.history, JSON.stringify(history));
  return headers;
}
