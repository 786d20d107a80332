/**
 * The durable pull consumers `intake-<epoch>-<class>`: one set per leadership.
 *
 * The name carries the epoch, so that an old leader's acknowledgements touch nothing. On a work
 * queue two consumers may not overlap: ours can exist only once all others are gone, and their
 * unacknowledged messages come to ours at once.
 */
import type { Epoch, Logger, TaskClass } from '@llmos/base';
import {
  LlmosError,
  STREAMS,
  TASK_CLASSES,
  decodeJson,
  encodeJson,
  isRecord,
  patterns,
} from '@llmos/base';
import {
  describeApiError,
  isApiError,
  isUnavailable,
  AckPolicy,
  DeliverPolicy,
  ReplayPolicy,
  nanos,
} from '@llmos/wire';
import type { JetStreamManager, NatsConnection } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { LeadershipEnded } from '../../services/store-lanes';

export function intakeConsumerName(epoch: Epoch, taskClass: TaskClass): string {
  return `intake-${epoch}-${taskClass}`;
}

/** Makes the consumer of one class anew: what is not acknowledged is delivered once more. */
export async function remakeConsumer(
  of: Pick<TakeoverOptions, 'connection' | 'manager' | 'epoch'>,
  taskClass: TaskClass,
): Promise<void> {
  await deleteConsumer(of.manager, intakeConsumerName(of.epoch, taskClass));
  await addConsumer(of, taskClass);
}

export interface TakeoverOptions {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly log: Logger;
  readonly epoch: Epoch;
  readonly isEnded: () => boolean;
  /** That of the leader's record now; undefined where it names none. */
  readonly readEpoch: () => Promise<Epoch | undefined>;
  /** A consumer that no leader made is about to be deleted. */
  readonly onForeign: () => void;
}

/**
 * Rejects with FAILED_PRECONDITION where a later leader has consumers: one is later only if the
 * leader's record says so, whatever number is in a name.
 */
export async function takeOverConsumers(options: TakeoverOptions): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    if (options.isEnded()) throw new LeadershipEnded();
    const outcome = await tryTakeOver(options);
    if (outcome === 'done') return;
    if (tries >= EDGE_LIMITS.takeoverTries) {
      throw new LlmosError(
        'UNAVAILABLE',
        `the intake can't be taken over by epoch ${options.epoch} after ${tries} tries: ${outcome}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, EDGE_LIMITS.takeoverRetryMs));
  }
}

/** `done`, or why it must be tried again: a cluster that lost a server needs a moment. */
async function tryTakeOver(options: TakeoverOptions): Promise<string> {
  try {
    await deleteOthers(options);
    return (await tryCreateAll(options)) ? 'done' : 'consumers of another leader overlap';
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    const reason = describeApiError(error);
    options.log.info('takeover-waits', { epoch: options.epoch, reason });
    return reason;
  }
}

async function deleteOthers(options: TakeoverOptions): Promise<void> {
  const { manager, log, epoch } = options;
  for (const name of await consumerNames(options.connection)) {
    const other = epochOfName(name);
    if (other === epoch) continue;
    if (other === undefined || other > epoch) {
      await assertLeading(options, name);
      log.warn('intake-consumer-foreign', { consumer: name, epoch });
      options.onForeign();
    } else {
      log.info('intake-consumer-deleted', { consumer: name, epoch });
    }
    await deleteConsumer(manager, name);
  }
}

/** A later leader wrote its record before it made a consumer, so a reading after tells. */
async function assertLeading(options: TakeoverOptions, name: string): Promise<void> {
  const { epoch } = options;
  const leading = await options.readEpoch();
  if (leading === epoch) return;
  throw new LlmosError(
    'FAILED_PRECONDITION',
    `consumer ${name} is not of epoch ${epoch}, and the leader's record names ` +
      `${leading === undefined ? 'none' : `epoch ${leading}`}`,
  );
}

async function deleteConsumer(manager: JetStreamManager, name: string): Promise<void> {
  try {
    await manager.consumers.delete(STREAMS.tasks, name);
  } catch (error) {
    if (!isApiError(error, 'consumerNotFound')) throw error;
  }
}

/**
 * Names only: the client's list asks each consumer's own leader, and waits in vain for one whose
 * server has just died.
 */
async function consumerNames(connection: NatsConnection): Promise<readonly string[]> {
  const names: string[] = [];
  for (;;) {
    const { requestTimeoutMs: timeout } = EDGE_LIMITS;
    const subject = `$JS.API.CONSUMER.NAMES.${STREAMS.tasks}`;
    const request = encodeJson({ offset: names.length });
    const page = decodeJson((await connection.request(subject, request, { timeout })).data);
    const found = isRecord(page) && Array.isArray(page['consumers']) ? page['consumers'] : [];
    names.push(...found.filter((name) => typeof name === 'string'));
    if (found.length === 0 || !isRecord(page) || names.length >= Number(page['total'])) {
      return names;
    }
  }
}

/** Only kernels consume tasks: a consumer with any other name would take work away unseen. */
function epochOfName(name: string): number | undefined {
  const match = /^intake-(\d{1,16})-[a-z]+$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

async function tryCreateAll(options: TakeoverOptions): Promise<boolean> {
  try {
    for (const taskClass of TASK_CLASSES) await addConsumer(options, taskClass);
    return true;
  } catch (error) {
    if (isApiError(error, 'consumerNotUnique')) return false;
    if (isApiError(error, 'maximumConsumersLimit')) throw tooFewConsumers(error);
    throw error;
  }
}

function tooFewConsumers(cause: unknown): LlmosError {
  const { length } = TASK_CLASSES;
  const message =
    `${STREAMS.tasks} needs ${length} consumers, and the NATS server says: ` +
    `${describeApiError(cause)}. Raise max_consumers of the account`;
  return new LlmosError('FAILED_PRECONDITION', message, { cause });
}

/**
 * A lone server keeps its state in memory: once it was restarted, the consumer is made anew in any
 * case. On disk, it is written ten times a second with everything that is not acknowledged: with
 * 400,000 waiting tasks, more than half of all that the server did.
 */
async function addConsumer(
  of: Pick<TakeoverOptions, 'connection' | 'manager' | 'epoch'>,
  taskClass: TaskClass,
): Promise<void> {
  await of.manager.consumers.add(STREAMS.tasks, {
    durable_name: intakeConsumerName(of.epoch, taskClass),
    filter_subject: patterns.tasksOfClass(taskClass),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
    ack_wait: nanos(EDGE_LIMITS.ackWaitMs),
    max_ack_pending: EDGE_LIMITS.maxAckPending,
    max_waiting: 16,
    ...(of.connection.info?.cluster === undefined ? { mem_storage: true } : {}),
  });
}
