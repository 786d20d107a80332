/** Committed results on JetStream: what is committed (see ResultFeed), reads, deletions, counts. */
import type { TenantId, TenantTask } from '@llmos/base';
import { parseResultSubject, resultPlaces } from '@llmos/base';
import { parseDelivery } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { CORE_LIMITS } from '../../limits';
import type {
  ResultListener,
  ResultStore,
  StoredPlace,
  StoredResult,
  StoredShare,
} from '../../ports/result-store';
import { deleteMessage } from './message-deletion';
import { announcedBytes } from './push-consumer';
import type { ResultFeedOptions } from './result-feed';
import { ResultFeed } from './result-feed';
import { RESULT_STREAMS } from './result-reads';
import { ShareCount } from './share-count';
import { walkStream } from './stream-walk';

export class JetStreamResultStore implements ResultStore {
  private readonly feeds: readonly ResultFeed[];
  private isClosed = false;

  constructor(private readonly options: ResultFeedOptions) {
    this.feeds = RESULT_STREAMS.map((stream) => new ResultFeed(options, stream));
  }

  async watch(listener: ResultListener): Promise<void> {
    await Promise.all(this.feeds.map((feed) => feed.watch(listener)));
  }

  async readNoticed(of: TenantTask, { stream }: StoredPlace): Promise<StoredResult | undefined> {
    const place = resultPlaces(of).find((each) => each.stream === stream);
    return place === undefined ? undefined : this.options.reads.readAt(place);
  }

  read(of: TenantTask): Promise<StoredResult | undefined> {
    return this.options.reads.read(of);
  }

  readForTask(of: TenantTask): Promise<StoredResult | undefined> {
    return this.options.reads.readForTask(of);
  }

  forget(place: StoredPlace): Promise<void> {
    return deleteMessage(this.options.manager, place);
  }

  /** The server tells the sizes instead of sending the bodies. */
  async countShares(stream: string): Promise<Map<TenantId, StoredShare>> {
    const count = new ShareCount(EDGE_LIMITS.maxCountedTenants);
    const isComplete = await walkStream({
      ...this.options,
      stream,
      isHeadersOnly: true,
      isEnded: () => this.isClosed,
      onMessage: (msg) => {
        const of = parseResultSubject(msg.subject);
        const storedWallMs = parseDelivery(msg.reply ?? '')?.storedWallMs;
        if (of === undefined || storedWallMs === undefined) return;
        const bytes = announcedBytes(() => msg.headers) + CORE_LIMITS.storedOverheadBytes;
        count.add(of.tenant, bytes, storedWallMs);
      },
    });
    if (!isComplete) throw new Error(`${stream} was not read to its end`);
    return count.shares();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const feed of this.feeds) feed.close();
    return Promise.resolve();
  }
}
