/**
 * The last acknowledgements that were sent. Nobody answers them: those that were on their way when
 * a connection broke are lost, and their tasks would lie in the stream for a day. So they are sent
 * once more after a reconnect; a server ignores what it knows already.
 */
import type { Logger } from '@llmos/base';
import type { NatsConnection } from '@llmos/wire';
import { followLink } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';

export class RecentAcks {
  private replies: string[] = [];
  private next = 0;

  add(reply: string): void {
    this.replies[this.next] = reply;
    this.next = (this.next + 1) % EDGE_LIMITS.maxRecentAcks;
  }

  takeAll(): readonly string[] {
    const { replies } = this;
    this.replies = [];
    this.next = 0;
    return replies;
  }
}

export interface Reconnect {
  /**
   * A lone server that was killed has forgotten the acknowledgements of its last moments, and would
   * not deliver those tasks again for a day; the replicas of a cluster know them.
   */
  readonly hasForgotten: boolean;
}

export function followServer(
  { connection, log }: { readonly connection: NatsConnection; readonly log: Logger },
  onReconnected: (reconnect: Reconnect) => void,
): void {
  let serverId = connection.info?.server_id;
  followLink(connection, {
    onReconnected: () => {
      const { server_id: nextId, cluster } = connection.info ?? {};
      const hasForgotten = cluster === undefined && nextId !== serverId;
      serverId = nextId;
      onReconnected({ hasForgotten });
    },
    onFailed: (error) => log.error('link-news-failed', { error }),
  });
}
