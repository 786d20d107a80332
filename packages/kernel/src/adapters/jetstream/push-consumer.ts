/** What all consumers share that only read along: they live in the server's memory and end soon. */
import { AckPolicy, JsHeaders, ReplayPolicy, nanos, readHeaders, statusOf } from '@llmos/wire';
import type { ConsumerConfig, Msg, MsgHdrs, NatsConnection } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';

export function pushedTo(inbox: string): Partial<ConsumerConfig> {
  return {
    deliver_subject: inbox,
    ack_policy: AckPolicy.None,
    replay_policy: ReplayPolicy.Instant,
    mem_storage: true,
    num_replicas: 1,
    max_deliver: 1,
    flow_control: true,
    idle_heartbeat: nanos(EDGE_LIMITS.resultHeartbeatMs),
    // The server drops it soon after nobody listens any more.
    inactive_threshold: nanos(EDGE_LIMITS.resultConsumerIdleMs),
  };
}

/**
 * For a message that is no delivery: flow control is answered, and so is a heartbeat that says that
 * the consumer waits for such an answer, as where the question or the answer was lost.
 */
export function answerFlowControl(connection: NatsConnection, msg: Msg): void {
  if (statusOf(msg) !== 100) return;
  const asked = msg.reply || readHeaders(() => msg.headers).get(JsHeaders.ConsumerStalledHdr);
  if (asked) connection.publish(asked);
}

/**
 * The size of the body that a delivery of headers alone leaves out; 0 where none is told. The
 * server adds it at the end: a publisher may have written one of its own before.
 */
export function announcedBytes(headers: () => MsgHdrs | undefined): number {
  try {
    const bytes = Number(headers()?.values(JsHeaders.MessageSizeHdr).at(-1) ?? 0);
    return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : 0;
  } catch {
    return 0; // Foreign headers may be such as the client can't read.
  }
}
