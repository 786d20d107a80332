/**
 * The durable pull consumers `intake-<epoch>-<class>`: one set per leadership.
 *
 * The name carries the epoch, so that an old leader's acknowledgements touch nothing. On a work
 * queue two consumers may not overlap: ours can exist only once those of lower epochs are gone,
 * and their unacknowledged messages come to ours at once.
 */
import type { Epoch, Logger, TaskClass } from '@llmos/base';
import { LlmosError, STREAMS, TASK_CLASSES, patterns } from '@llmos/base';
import { AckPolicy, DeliverPolicy, ReplayPolicy, nanos } from 'nats';
import type { JetStreamManager } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import { isApiError } from './api-errors';
import { LeadershipEnded } from './retry';

export function intakeConsumerName(epoch: Epoch, taskClass: TaskClass): string {
  return `intake-${epoch}-${taskClass}`;
}

export interface TakeoverOptions {
  readonly manager: JetStreamManager;
  readonly log: Logger;
  readonly epoch: Epoch;
  readonly isEnded: () => boolean;
}

/** Rejects with FAILED_PRECONDITION where a higher epoch has consumers: we are not the leader. */
export async function takeOverConsumers(options: TakeoverOptions): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    if (options.isEnded()) throw new LeadershipEnded();
    await deleteLowerEpochs(options);
    if (await tryCreateAll(options)) return;
    if (tries >= EDGE_LIMITS.takeoverTries) {
      throw new LlmosError(
        'UNAVAILABLE',
        `consumers of another leader overlap with epoch ${options.epoch} after ${tries} tries`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, EDGE_LIMITS.takeoverRetryMs));
  }
}

async function deleteLowerEpochs(options: TakeoverOptions): Promise<void> {
  const { manager, log, epoch } = options;
  for await (const consumer of manager.consumers.list(STREAMS.tasks)) {
    const other = epochOfName(consumer.name);
    if (other === epoch) continue;
    if (other !== undefined && other > epoch) {
      throw new LlmosError(
        'FAILED_PRECONDITION',
        `consumer ${consumer.name} belongs to a later leader than epoch ${epoch}`,
      );
    }
    log.info('intake-consumer-deleted', { consumer: consumer.name, epoch });
    try {
      await manager.consumers.delete(STREAMS.tasks, consumer.name);
    } catch (error) {
      if (!isApiError(error, 'consumerNotFound')) throw error;
    }
  }
}

/** Only kernels consume tasks: a consumer with any other name would take work away unseen. */
function epochOfName(name: string): number | undefined {
  const match = /^intake-(\d{1,15})-[a-z]+$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

async function tryCreateAll(options: TakeoverOptions): Promise<boolean> {
  try {
    for (const taskClass of TASK_CLASSES) {
      await options.manager.consumers.add(STREAMS.tasks, {
        durable_name: intakeConsumerName(options.epoch, taskClass),
        filter_subject: patterns.tasksOfClass(taskClass),
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        replay_policy: ReplayPolicy.Instant,
        ack_wait: nanos(EDGE_LIMITS.ackWaitMs),
        max_ack_pending: EDGE_LIMITS.maxAckPending,
        max_waiting: 16,
      });
    }
    return true;
  } catch (error) {
    if (isApiError(error, 'consumerNotUnique')) return false;
    throw error;
  }
}
