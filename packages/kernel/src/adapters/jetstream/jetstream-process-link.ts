/** Mailboxes and reports of processes, over core NATS. */
import type {
  AttemptRef,
  AttemptSpec,
  CancelReason,
  Epoch,
  Instant,
  Logger,
  MailboxCommand,
  ServerTime,
} from '@llmos/base';
import { formatModelRef, parseNodeProcess, patterns, subjects } from '@llmos/base';
import { maxBodyBytesOf, decodeReport, encodeMailboxMessage } from '@llmos/wire';
import type { Msg, NatsConnection, Subscription } from '@llmos/wire';
import type { ProcessAddress } from '../../kernel-decision';
import { EDGE_LIMITS } from '../../edge-limits';
import type { KernelEvent } from '../../kernel-event';
import type { KernelCounters } from '../../ports/kernel-counters';
import type { ProcessLink } from '../../ports/process-link';
import { eventsOf } from './report-events';
import type { SlowLane } from './slow-lane';

export interface ProcessLinkOptions {
  readonly connection: NatsConnection;
  readonly log: Logger;
  readonly counters: KernelCounters;
  readonly slowLane: SlowLane;
  readonly time: ServerTime;
}

type Execution = Parameters<ProcessLink['execute']>[0];

export class JetStreamProcessLink implements ProcessLink {
  private epoch: Epoch | undefined;
  private subscription: Subscription | undefined;

  constructor(private readonly options: ProcessLinkOptions) {}

  begin(epoch: Epoch, deliver: (event: KernelEvent) => void): void {
    this.end();
    this.epoch = epoch;
    this.subscription = this.options.connection.subscribe(patterns.reports, {
      callback: (error, msg) => {
        if (error === null) this.receive(msg, deliver);
        else this.options.log.warn('report-subscription-failed', { error });
      },
    });
  }

  end(): void {
    this.subscription?.unsubscribe();
    this.subscription = undefined;
    this.epoch = undefined;
  }

  execute(of: Execution): void {
    const { time } = this.options;
    // A process reads from the stream what does not fit its mailbox.
    const isLarge = (of.body?.length ?? 0) > this.maxMailBodyBytes();
    const spec = attemptSpecOf(of, isLarge ? undefined : of.body);
    this.send(
      of.to,
      { kind: 'execute', spec },
      { nowMs: time.steady.wallMs(), wallMs: time.wallMs() },
    );
  }

  cancel(to: ProcessAddress, attempt: AttemptRef, reason: CancelReason): void {
    this.send(to, { kind: 'cancel', attempt, reason });
  }

  preempt(to: ProcessAddress, attempt: AttemptRef): void {
    this.send(to, { kind: 'preempt', attempt });
  }

  confirm(to: ProcessAddress, attempts: readonly AttemptRef[]): void {
    const message = this.encode(to, { kind: 'confirm', attempts }, UNTIMED);
    if (message !== undefined) this.options.slowLane.push(message.subject, message.bytes);
  }

  greet(to: ProcessAddress): void {
    this.send(to, { kind: 'hello' });
  }

  /** Beside the other fields of a message. */
  private maxMailBodyBytes(): number {
    return maxBodyBytesOf(this.options.connection) - EDGE_LIMITS.mailFieldsBytes;
  }

  private send(to: ProcessAddress, command: MailboxCommand, now: Instant = UNTIMED): void {
    const message = this.encode(to, command, now);
    if (message !== undefined) this.options.connection.publish(message.subject, message.bytes);
  }

  private encode(to: ProcessAddress, command: MailboxCommand, now: Instant) {
    if (this.epoch === undefined) return undefined;
    const message = { epoch: this.epoch, incarnation: to.incarnation, command };
    const bytes = encodeMailboxMessage(message, now);
    return { subject: subjects.mailbox({ node: to.nodeId, process: to.pid }), bytes };
  }

  private receive(msg: Msg, deliver: (event: KernelEvent) => void): void {
    const { counters } = this.options;
    const from = parseNodeProcess('report', msg.subject);
    let events: readonly KernelEvent[];
    try {
      if (from === undefined) throw new TypeError('the subject names no node and process');
      events = eventsOf(from, decodeReport(msg.data));
    } catch (error) {
      counters.add('reports_malformed');
      // The guard of the connection tells of it, at a bounded rate.
      throw error;
    }
    for (const event of events) {
      if (event.kind === 'attempt-finished') counters.add('attempts_ended', event.outcome.kind);
      if (event.kind === 'attempt-preempted') counters.add('attempts_ended', 'preempted');
      deliver(event);
    }
  }
}

/** Only an execute says times. */
const UNTIMED: Instant = { nowMs: 0, wallMs: 0 };

/** Its times count from the steady wall clock. */
export function attemptSpecOf(
  { spec, attempt, deadlineWallMs }: Pick<Execution, 'spec' | 'attempt' | 'deadlineWallMs'>,
  body: Uint8Array | undefined,
): AttemptSpec {
  return {
    tenant: spec.tenant,
    task: spec.id,
    attempt,
    function: spec.function,
    class: spec.class,
    priority: spec.priority,
    sequence: spec.sequence,
    deadlineAtMs: deadlineWallMs,
    storedAtMs: spec.storedWallMs,
    stream: spec.stream,
    format: spec.format,
    root: spec.root ?? spec.id,
    key: spec.key,
    model: spec.model && formatModelRef(spec.model),
    traceparent: spec.traceparent,
    keepMs: spec.keepMs,
    digest: spec.digest,
    flow: spec.flow,
    notBeforeWallMs: spec.notBeforeWallMs,
    body,
  };
}
