/** The mailbox subject of one process, and its reports. Core NATS. */
import type {
  AttemptReport,
  MailboxMessage,
  Clock,
  Logger,
  NodeId,
  OnSkipped,
  ProcessId,
} from '@llmos/base';
import { UnsentMessages, readClock, subjects } from '@llmos/base';
import { guardCallback, decodeMailboxMessage, describeApiError, encodeReport } from '@llmos/wire';
import type { Msg, NatsConnection, Subscription } from '@llmos/wire';
import type { MailboxLink } from '../../ports/mailbox-link';

export interface MailboxLinkOptions {
  readonly connection: NatsConnection;
  readonly node: NodeId;
  readonly pid: ProcessId;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onSkipped: OnSkipped;
}

export function createMailboxLink(options: MailboxLinkOptions): MailboxLink {
  const { connection, log } = options;
  const address = { node: options.node, process: options.pid };
  const reportSubject = subjects.report(address);
  const unsent = new UnsentMessages({ log, clock: options.clock });
  let subscription: Subscription | undefined;

  function open(deliver: (message: MailboxMessage) => void): Promise<void> {
    const take = (error: Error | null, message: Msg): void => {
      if (error !== null) return log.error('mailbox-subscription-failed', { error });
      const decoded = decodeMailboxMessage(message.data, readClock(options.clock));
      if (decoded === undefined) throw new TypeError('the bytes are no message of a mailbox');
      deliver(decoded);
    };
    const callback = guardCallback(take, options.onSkipped);
    subscription = connection.subscribe(subjects.mailbox(address), { callback });
    return connection.flush();
  }

  return {
    open,
    send(report: AttemptReport): void {
      // The leader learns of a closed connection by missing heartbeats.
      if (connection.isClosed()) return;
      try {
        connection.publish(reportSubject, encodeReport(options.incarnation, report));
      } catch (error) {
        unsent.note({ subject: reportSubject, reason: describeApiError(error) });
      }
    },
    close(): void {
      subscription?.unsubscribe();
    },
  };
}
