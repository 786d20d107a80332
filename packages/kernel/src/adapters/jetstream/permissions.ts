/**
 * Asks the NATS server, before a kernel does anything, whether its user may use every subject that
 * a kernel needs. A server refuses a subscription or a message without ending anything, so a kernel
 * that lacks one would look healthy and serve nobody.
 *
 * P1: what is asked changes nothing. Streams refuse the messages, which name a stream that there is
 *     none of; requests of the API say nothing; subscriptions end at once and are in no queue.
 * P2: a server says what it refuses before it answers the flush that was sent after it.
 */
import type { Logger } from '@llmos/base';
import {
  BUCKETS,
  LEADER_SUBJECT,
  LlmosError,
  PACKAGE_STORE,
  STREAMS,
  TASK_CLASSES,
  patterns,
  settlesWithin,
} from '@llmos/base';
import { describeApiError, createInbox, headers as newHeaders, followLink } from '@llmos/wire';
import type { NatsConnection } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';

const SUBSCRIBED: readonly string[] = [
  ...[patterns.submits, patterns.calls, patterns.cancels, patterns.sys],
  ...[patterns.reports, patterns.alive, patterns.streams],
];

const { tasks, results } = STREAMS;
/** Of the API, what works on streams that are there; making them is refused by itself. */
const REQUESTS: readonly string[] = [
  `STREAM.INFO.${tasks}`,
  `STREAM.MSG.GET.${tasks}`,
  `STREAM.MSG.DELETE.${tasks}`,
  `DIRECT.GET.${results}.${sample(patterns.results)}`,
  `CONSUMER.NAMES.${tasks}`,
  `CONSUMER.CREATE.${tasks}.probe.${sample(patterns.tasksOfClass('batch'))}`,
  `CONSUMER.DELETE.${tasks}.probe`,
  `CONSUMER.MSG.NEXT.${tasks}.probe`,
].map((request) => `$JS.API.${request}`);

/** Subject patterns; one of each is tried. */
const PUBLISHED: readonly string[] = [
  ...TASK_CLASSES.map(patterns.tasksOfClass),
  ...[patterns.results, patterns.answers, patterns.dead, patterns.events],
  ...['mailbox', 'deliver', 'caller'].map((kind) => `llmos.v1.${kind}.*.*`),
  ...[LEADER_SUBJECT, ...[BUCKETS.models, BUCKETS.processes].map((name) => `$KV.${name}.*`)],
  `$KV.${BUCKETS.attempts}.*.*`,
  ...REQUESTS,
  `$JS.ACK.${tasks}.*.*.*.*.*.*`,
  '_INBOX.*',
];

/** What an existing grant would name: permissions are often given for one tenant alone. */
function sample(pattern: string): string {
  return pattern.replaceAll('*', 'default');
}

interface Refused {
  readonly subscribe: readonly string[];
  readonly publish: readonly string[];
}

/** Rejects with FAILED_PRECONDITION that names everything which the user may not do. */
export async function assertPermissions(of: {
  readonly connection: NatsConnection;
  readonly log: Logger;
}): Promise<void> {
  let refused: Refused;
  try {
    refused = await askForAll(of.connection);
  } catch (error) {
    of.log.warn('permissions-not-checked', { reason: describeApiError(error) });
    return;
  }
  const parts = [
    ...(refused.subscribe.length > 0 ? [`subscribe to ${refused.subscribe.join(', ')}`] : []),
    ...(refused.publish.length > 0 ? [`publish to ${refused.publish.join(', ')}`] : []),
  ];
  if (parts.length === 0) return;
  throw new LlmosError(
    'FAILED_PRECONDITION',
    `the NATS server does not allow this kernel to ${parts.join(', nor to ')}. A kernel needs ` +
      'every subject that begins with ' +
      `llmos., $KV.llmos_, $O.${PACKAGE_STORE}, $JS.API., $JS.ACK. and _INBOX. for itself`,
    { details: { refused } },
  );
}

async function askForAll(connection: NatsConnection): Promise<Refused> {
  const denied = { subscription: new Set<string>(), publish: new Set<string>() };
  const endHearing = followLink(connection, {
    onDenied: (subject, operation) => denied[operation].add(subject),
  });
  const inbox = createInbox();
  const subscriptions = [...SUBSCRIBED, inbox].map((subject) =>
    connection.subscribe(subject, { callback: () => undefined }),
  );
  try {
    const headers = newHeaders();
    headers.set('Nats-Expected-Stream', 'none');
    for (const pattern of PUBLISHED) {
      connection.publish(sample(pattern), undefined, { headers, reply: inbox });
    }
    await answeredFlush(connection);
    // The client hands on what it read in later turns of the loop.
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    for (const subscription of subscriptions) subscription.unsubscribe();
    await endHearing();
  }
  return {
    subscribe: [
      ...SUBSCRIBED.filter((subject) => denied.subscription.has(subject)),
      ...(denied.subscription.has(inbox) ? ['_INBOX.*'] : []),
    ],
    publish: PUBLISHED.filter((pattern) => denied.publish.has(sample(pattern))),
  };
}

async function answeredFlush(connection: NatsConnection): Promise<void> {
  const limitMs = EDGE_LIMITS.requestTimeoutMs;
  const isInTime = await settlesWithin(connection.flush(), limitMs);
  if (!isInTime) throw new Error(`no answer within ${limitMs} ms`);
}
