/** The connections of a kernel to NATS, one for each kind of traffic. */
import type { Logger, OnSkipped } from '@llmos/base';
import { SkippedMessages, UnsentMessages, systemClock } from '@llmos/base';
import { closeLink } from '@llmos/wire';
import type { NatsConnection } from '@llmos/wire';
import type { Closers } from '../../closers';
import type { KernelCounters } from '../../ports/kernel-counters';
import { connectToNats } from './connection';

export interface KernelConnections {
  readonly connection: NatsConnection;
  readonly requestConnection: NatsConnection;
  readonly leaseConnection: NatsConnection;
  /** That which carries the kernel's work is up. */
  readonly isWorking: () => boolean;
  /** And that on which it is asked. */
  readonly isConnected: () => boolean;
  /** Of all. */
  readonly onSkipped: OnSkipped;
}

interface OpenConnection {
  readonly connection: NatsConnection;
  readonly isUp: () => boolean;
}

/**
 * The lease has a connection of its own: its answers never wait behind the tasks of a large intake.
 * It is renewed only while that of the work is up, or a leader that can't work would keep others
 * out. Requests have one, too: acknowledgements, reports and results never wait behind a flood of
 * them, since the event loop reads each connection in its turn.
 */
export async function openConnections(of: {
  readonly config: {
    readonly servers: readonly string[];
    readonly kernelId: string;
    readonly connectWaitMs: number;
  };
  readonly log: Logger;
  readonly closers: Closers;
  readonly counters: KernelCounters;
}): Promise<KernelConnections> {
  const { config, log, closers, counters } = of;
  const { servers, kernelId, connectWaitMs: waitMs } = config;
  const noted = { log, clock: systemClock };
  const onSkipped = (): void => counters.add('messages_skipped');
  const skipped = new SkippedMessages({ ...noted, onEach: onSkipped });
  const onUnsent = (): void => counters.add('messages_unsent');
  const unsent = new UnsentMessages({ ...noted, onEach: onUnsent });
  const shared = { servers, log, waitMs, onSkipped: skipped.note, onUnsent: unsent.note };
  const opened: NatsConnection[] = [];
  // Side by side: a stop has few seconds, and each may wait for a server that is away.
  closers.push('nats', () => Promise.all(opened.map(closeLink)));
  const open = async (name: string, onReconnect?: () => void): Promise<OpenConnection> => {
    let isUp = true;
    const connection = await connectToNats({
      ...shared,
      name: `llmos-kernel-${name}`,
      onReconnect: () => {
        isUp = true;
        onReconnect?.();
      },
      onDisconnect: () => {
        isUp = false;
      },
    });
    opened.push(connection);
    return { connection, isUp: () => isUp && !connection.isClosed() };
  };
  const work = await open(kernelId, () => counters.add('nats_reconnects'));
  const requests = await open(`${kernelId}-requests`);
  const lease = await open(`${kernelId}-lease`);
  return {
    connection: work.connection,
    requestConnection: requests.connection,
    leaseConnection: lease.connection,
    isWorking: work.isUp,
    isConnected: () => work.isUp() && requests.isUp(),
    onSkipped: skipped.note,
  };
}
