/** Composition root of the client library: `connect` makes a client of all its parts. */
import { randomBytes } from 'node:crypto';
import type { CallerId, TaskId, TenantId } from '@llmos/base';
import { isToken, quoteShort, seededRandom, systemClock } from '@llmos/base';
import { createJetStreamPackageStore } from './adapters/jetstream/jetstream-package-store';
import { createJetStreamStoredMessages } from './adapters/jetstream/jetstream-stored-messages';
import { connectToNats } from './adapters/nats/nats-connect';
import { createNatsMessageLink } from './adapters/nats/nats-message-link';
import { warnOfSkipped } from './adapters/nats/skipped-warnings';
import { filePackageFolder } from './adapters/system/file-package-folder';
import { createSystemDoorbell } from './adapters/system/system-doorbell';
import { assertOptions, checkWait, invalid } from './call-options';
import { openCaller } from './caller';
import type { ClientContext } from './client-context';
import type { ConnectOptions } from './connect-options';
import { SDK_LIMITS } from './limits';
import type { LlmosClient } from './llmos-client';
import { createClient } from './llmos-client';
import type { ModelUploadParts } from './model-upload';
import type { MessageLink } from './ports/message-link';

/** Short enough to read, long enough never to meet again. Not `s…`: those are sequence numbers. */
const ID_BYTES = 12;
const DEFAULT_SERVER = 'nats://127.0.0.1:4222';

/**
 * Connects to a running system. The connection comes back by itself for as long as the client is
 * open; requests in between are repeated, within their time limits.
 *
 * Throws an LlmosError: UNAVAILABLE where no server answers within 10 s (or `timeoutMs`, if less),
 * UNAUTHENTICATED, INVALID_ARGUMENT, or CANCELLED where the signal aborts.
 *
 * @example
 * const os = await connect({ servers: 'nats://127.0.0.1:4222' });
 * const reply = await os.generate({ model: 'storyteller', prompt: 'Once upon a time' });
 * await os.close();
 */
export async function connect(options: ConnectOptions = {}): Promise<LlmosClient> {
  assertOptions(options);
  const tenant = principal('tenant', options.tenant ?? 'default');
  const caller = principal('principal', options.principal ?? tenant);
  const { timeoutMs, signal } = checkWait(options, SDK_LIMITS.defaultTimeoutMs);
  const prefix = inboxPrefix(options.inboxPrefix);
  const onSkipped = warnOfSkipped();
  const connection = await connectToNats({
    onSkipped,
    servers: serverList(options.servers),
    name: text('name', options.name) ?? 'llmos-sdk',
    timeoutMs: Math.min(timeoutMs, SDK_LIMITS.connectTimeoutMs),
    token: text('token', options.token),
    user: text('user', options.user),
    pass: text('pass', options.pass),
    credentialsFile: text('credentialsFile', options.credentialsFile),
    tls: options.tls,
    inboxPrefix: prefix,
    signal,
  });
  const link = createNatsMessageLink(connection, { inboxPrefix: prefix, onSkipped });
  const callerId = await openCaller(link, { tenant, caller: newId() as CallerId });
  const context = createContext({ tenant, principal: caller, timeoutMs, link, callerId });
  return createClient(context, createUploadParts(context));
}

function createContext(
  of: Pick<ClientContext, 'tenant' | 'principal' | 'timeoutMs' | 'callerId'> & {
    readonly link: MessageLink;
  },
): ClientContext {
  return {
    ...of,
    stored: createJetStreamStoredMessages(of.link),
    clock: systemClock,
    random: seededRandom(randomBytes(4).readInt32LE()),
    createDoorbell: createSystemDoorbell,
    newTaskId: () => newId() as TaskId,
  };
}

function newId(): string {
  return randomBytes(ID_BYTES).toString('hex');
}

function createUploadParts(context: ClientContext): ModelUploadParts {
  const { link, stored, createDoorbell, random, clock, newTaskId } = context;
  const store = createJetStreamPackageStore({
    link,
    stored,
    createDoorbell,
    random,
    newId: newTaskId,
    wallMs: () => clock.wallMs(),
  });
  return { store, folder: filePackageFolder };
}

function principal(name: string, value: string): TenantId {
  if (isToken(value)) return value as unknown as TenantId;
  throw invalid(`${name} is ${quoteShort(value)}: it must match [A-Za-z0-9_-]{1,64}`);
}

/** What is no text is not shown: it may hold a password. */
function text(name: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw invalid(`${name} is of type ${typeof value}: it must be a text`);
}

function serverList(servers: unknown = DEFAULT_SERVER): readonly string[] {
  const list: unknown = typeof servers === 'string' ? servers.split(',') : servers;
  const texts = Array.isArray(list) && list.every((each) => typeof each === 'string') ? list : [];
  const named = texts.map((server) => server.trim()).filter((server) => server !== '');
  if (named.length > 0) return named;
  throw invalid(`servers is ${quoteShort(servers)}: it must name a NATS server`);
}

/** The kernel answers only reply subjects below `_INBOX.`. */
function inboxPrefix(prefix: unknown): string | undefined {
  if (prefix === undefined) return undefined;
  if (typeof prefix === 'string' && /^_INBOX(\.[A-Za-z0-9_-]{1,64})*$/.test(prefix)) return prefix;
  throw invalid(`inboxPrefix is ${quoteShort(prefix)}: it must begin with _INBOX`);
}
