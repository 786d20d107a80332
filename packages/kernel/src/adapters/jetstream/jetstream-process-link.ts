/** Mailboxes and reports of processes, over core NATS. */
import type { Epoch, Logger, ServerTime } from '@llmos/base';
import { maxBodyBytesOf, parseNodeProcess, patterns, subjects } from '@llmos/base';
import type { Msg, NatsConnection, Subscription } from 'nats';
import type { CancelReason, ProcessAddress } from '../../kernel-decision';
import { EDGE_LIMITS } from '../../edge-limits';
import type { KernelEvent } from '../../kernel-event';
import type { KernelCounters } from '../../ports/kernel-counters';
import type { ProcessLink } from '../../ports/process-link';
import type { AttemptRef } from '../../tasks/task-spec';
import { decodeReport, encodeMailbox, executeCommand } from './codec';
import type { SlowLane } from './slow-lane';

export interface ProcessLinkOptions {
  readonly connection: NatsConnection;
  readonly log: Logger;
  readonly counters: KernelCounters;
  readonly slowLane: SlowLane;
  readonly time: ServerTime;
}

type Command = Parameters<typeof encodeMailbox>[0]['command'];

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

  execute(of: Parameters<ProcessLink['execute']>[0]): void {
    const { time } = this.options;
    const steadyMs = time.steady.wallMs();
    const leftMs = of.deadlineWallMs - steadyMs;
    const ageMs = Math.max(0, steadyMs - of.spec.storedWallMs);
    const deadlineWallMs = time.wallMs() + leftMs;
    const { spec, attempt } = of;
    // A process reads from the stream what does not fit its mailbox.
    const isLarge = (of.body?.length ?? 0) > this.maxMailBodyBytes();
    const body = isLarge ? undefined : of.body;
    this.send(of.to, executeCommand({ spec, attempt, deadlineWallMs, leftMs, ageMs, body }));
  }

  cancel(to: ProcessAddress, attempt: AttemptRef, reason: CancelReason): void {
    this.send(to, { $case: 'cancel', value: { attempt, reason } });
  }

  preempt(to: ProcessAddress, attempt: AttemptRef): void {
    this.send(to, { $case: 'preempt', value: { attempt } });
  }

  confirm(to: ProcessAddress, attempts: readonly AttemptRef[]): void {
    const message = this.encode(to, { $case: 'confirm', value: { attempts: [...attempts] } });
    if (message !== undefined) this.options.slowLane.push(message.subject, message.bytes);
  }

  greet(to: ProcessAddress): void {
    this.send(to, { $case: 'hello', value: {} });
  }

  /** Beside the other fields of a message. */
  private maxMailBodyBytes(): number {
    return maxBodyBytesOf(this.options.connection) - EDGE_LIMITS.mailFieldsBytes;
  }

  private send(to: ProcessAddress, command: Command): void {
    const message = this.encode(to, command);
    if (message !== undefined) this.options.connection.publish(message.subject, message.bytes);
  }

  private encode(to: ProcessAddress, command: Command) {
    if (this.epoch === undefined) return undefined;
    const bytes = encodeMailbox({ epoch: this.epoch, incarnation: to.incarnation, command });
    return { subject: subjects.mailbox({ node: to.nodeId, process: to.pid }), bytes };
  }

  private receive(msg: Msg, deliver: (event: KernelEvent) => void): void {
    const { counters } = this.options;
    const from = parseNodeProcess('report', msg.subject);
    let events: readonly KernelEvent[];
    try {
      if (from === undefined) throw new TypeError('the subject names no node and process');
      events = decodeReport(from, msg.data);
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
