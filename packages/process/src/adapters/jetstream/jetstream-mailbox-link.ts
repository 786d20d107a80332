/** The mailbox subject of one process, and its reports. Core NATS. */
import type { Clock, Logger, NodeId, ProcessId } from '@llmos/base';
import { readClock, subjects } from '@llmos/base';
import type { NatsConnection, Subscription } from 'nats';
import type { MailboxLink, MailboxMessage } from '../../ports/mailbox-link';
import type { Report } from '../../report-outbox';
import { decodeMailboxMessage, encodeReport } from './codec';

export interface MailboxLinkOptions {
  readonly connection: NatsConnection;
  readonly node: NodeId;
  readonly pid: ProcessId;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export function createMailboxLink(options: MailboxLinkOptions): MailboxLink {
  const { connection, log } = options;
  const address = { node: options.node, process: options.pid };
  const reportSubject = subjects.report(address);
  let subscription: Subscription | undefined;

  function open(deliver: (message: MailboxMessage) => void): Promise<void> {
    subscription = connection.subscribe(subjects.mailbox(address), {
      callback: (error, message) => {
        if (error !== null) {
          log.error('mailbox-subscription-failed', { error });
          return;
        }
        const decoded = decodeMailboxMessage(message.data, readClock(options.clock));
        if (decoded === undefined) {
          log.warn('mailbox-message-unreadable', { bytes: message.data.length });
          return;
        }
        deliver(decoded);
      },
    });
    return connection.flush();
  }

  return {
    open,
    send(report: Report): void {
      // A closed connection throws; the leader learns of it by missing heartbeats.
      if (connection.isClosed()) return;
      connection.publish(reportSubject, encodeReport(options.incarnation, report));
    },
    close(): void {
      subscription?.unsubscribe();
    },
  };
}
