/** Lifecycle events: what became of tasks, processes, nodes and kernels, as it is stored. */
import {
  STREAMS,
  decodeJson,
  isRecord,
  isToken,
  parseEventSubject,
  patterns,
  quoteShort,
} from '@llmos/base';
import { assertOptions, checkSignal, invalid } from './call-options';
import type { ClientContext } from './client-context';
import { assertOpen } from './client-context';
import { SDK_LIMITS } from './limits';
import type { StoredMessage } from './ports/stored-messages';
import { streamState, walkStored } from './stored-walk';

export interface EventOptions {
  /** How many of the last stored events to look at; default 100. */
  readonly last?: number;
  /** Goes on with what happens from now on, until the signal aborts (CANCELLED); default false. */
  readonly follow?: boolean;
  /** Only events of a tenant, or of `system`. */
  readonly principal?: string;
  /** Only events of `task`, `process`, `node` or `kernel`. */
  readonly entity?: string;
  readonly signal?: AbortSignal;
}

export interface LifecycleEvent {
  /** Number in the stream of events; grows, with gaps. */
  readonly sequence: number;
  /** When it was stored, by the server's clock, in milliseconds since 1970. */
  readonly wallMs: number;
  /** The tenant whose task it is about, else `system`. */
  readonly principal: string;
  /** `task`, `process`, `node` or `kernel`. */
  readonly entity: string;
  readonly id: string;
  /** Such as `completed`, `ready`, `lost`, `leadership-began`. */
  readonly what: string;
  /** Everything else that the event says. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export async function* readEvents(
  context: ClientContext,
  options: EventOptions,
): AsyncGenerator<LifecycleEvent, void, undefined> {
  assertOpen(context);
  assertOptions(options);
  const { principal, entity, last = SDK_LIMITS.defaultEvents } = options;
  const signal = checkSignal(options.signal);
  if (!Number.isSafeInteger(last) || last < 0) {
    throw invalid(`last is ${quoteShort(last)}: it must be an integer from 0`);
  }
  const { lastSequence } = await streamState(context, STREAMS.events, { signal });
  const walk = {
    what: 'reading events',
    stream: STREAMS.events,
    subject: patterns.eventsOf({
      ...(principal === undefined ? {} : { principal: part('principal', principal) }),
      ...(entity === undefined ? {} : { entity: part('entity', entity) }),
    }),
    fromSequence: lastSequence - last + 1,
    follows: options.follow === true,
    signal,
  };
  for await (const message of walkStored(context, walk)) {
    const event = readEvent(message);
    if (event !== undefined) yield event;
  }
}

function part(name: string, value: string): string {
  if (isToken(value)) return value;
  throw invalid(`${name} is ${quoteShort(value)}: it must match [A-Za-z0-9_-]{1,64}`);
}

function readEvent(message: StoredMessage): LifecycleEvent | undefined {
  const subject = parseEventSubject(message.subject);
  if (subject === undefined) return undefined;
  const body = jsonOf(message.body);
  const { entity: _entity, id, what: _what, wallMs: _wallMs, ...fields } = body;
  return {
    ...subject,
    sequence: message.sequence,
    wallMs: message.storedWallMs,
    // A name that is no token is exact in the body only.
    id: typeof id === 'string' ? id : subject.id,
    fields,
  };
}

function jsonOf(body: Uint8Array): Record<string, unknown> {
  try {
    const value = decodeJson(body);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}
