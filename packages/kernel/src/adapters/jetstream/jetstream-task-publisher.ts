/** Stores the tasks of `submit` and `call`. */
import { LlmosError, WIRE_LIMITS, subjects, taskHeadersOf } from '@llmos/base';
import {
  describeApiError,
  isApiError,
  isTooLarge,
  isBadHeader,
  headers as newHeaders,
  maxPayloadBytesOf,
} from '@llmos/wire';
import type { JetStreamClient, NatsConnection } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { StoredTask, TaskPublisher } from '../../ports/task-publisher';

export class JetStreamTaskPublisher implements TaskPublisher {
  private readonly jetstream: JetStreamClient;

  constructor(private readonly connection: NatsConnection) {
    this.jetstream = connection.jetstream({ timeout: EDGE_LIMITS.requestTimeoutMs });
  }

  maxBodyBytes(): number {
    return Math.max(0, maxPayloadBytesOf(this.connection) - WIRE_LIMITS.bodyReserveBytes);
  }

  async publish(of: Parameters<TaskPublisher['publish']>[0]): Promise<StoredTask> {
    const known = taskHeadersOf(of.terms);
    const headers = known.size === 0 ? undefined : newHeaders();
    for (const [name, value] of known) headers?.set(name, value);
    try {
      const ack = await this.jetstream.publish(
        subjects.task(of.subject),
        of.body,
        headers === undefined ? {} : { headers },
      );
      return { sequence: ack.seq };
    } catch (error) {
      throw publishError(error);
    }
  }
}

function publishError(error: unknown): LlmosError {
  const reason = describeApiError(error);
  const details = { retryAfterMs: EDGE_LIMITS.retryAfterMs };
  if (isApiError(error, 'storeFailed', 'insufficientResources')) {
    const message = `the task queue is full: ${reason}`;
    return new LlmosError('RESOURCE_EXHAUSTED', message, { cause: error, details });
  }
  if (isTooLarge(error)) {
    const message = 'body and headers are more than the NATS server takes (max_payload)';
    return new LlmosError('INVALID_ARGUMENT', message, { cause: error });
  }
  if (isBadHeader(error)) {
    return new LlmosError('INVALID_ARGUMENT', reason, { cause: error });
  }
  const message = `it is not known whether the task was stored: ${reason}`;
  return new LlmosError('UNAVAILABLE', message, { cause: error, details });
}
