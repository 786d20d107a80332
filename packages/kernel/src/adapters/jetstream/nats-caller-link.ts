/**
 * Questions to callers over core NATS. Their reply subject belongs to the caller's tenant, so that
 * its permissions can name it; the server answers there, too, where nobody listens (503).
 */
import type { Logger, TenantCaller } from '@llmos/base';
import { parseTenantCaller, patterns, subjects } from '@llmos/base';
import { statusOf, createInbox, followLink, STATUSES } from '@llmos/wire';
import type { NatsConnection, Subscription } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { CallerLink, CallerNews } from '../../ports/caller-link';

/** As long as others have time to come back. */
const RECENT_MS = EDGE_LIMITS.callerGraceLooks * EDGE_LIMITS.callerLookMs;
const NOTHING = new Uint8Array(0);

export class NatsCallerLink implements CallerLink {
  private readonly marks = createInbox();
  private subscriptions: readonly Subscription[] = [];
  private news: CallerNews | undefined;
  private reconnectedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly options: { readonly connection: NatsConnection; readonly log: Logger },
  ) {
    followLink(options.connection, {
      onReconnected: () => this.noteReconnect(),
      onFailed: (error) => options.log.error('link-news-failed', { error }),
    });
  }

  begin(news: CallerNews): void {
    const { connection } = this.options;
    this.news = news;
    // A leadership often begins because the server was away, and others come back only now, too.
    if (performance.now() - this.reconnectedAtMs < RECENT_MS) news.onReconnect();
    this.subscriptions = [
      connection.subscribe(patterns.alive, {
        callback: (error, msg) => {
          const of = error === null ? parseTenantCaller(msg.subject) : undefined;
          if (of === undefined) return;
          if (statusOf(msg) === STATUSES.noResponders) this.news?.onUnheard(of);
          else this.news?.onAlive(of);
        },
      }),
      connection.subscribe(`${this.marks}.*`, {
        callback: (error, msg) => {
          if (error !== null) return;
          const mark = Number(msg.subject.slice(this.marks.length + 1));
          // Whoever reads inboxes may write there, too.
          if (Number.isSafeInteger(mark)) this.news?.onMark(mark);
        },
      }),
    ];
  }

  ask(of: TenantCaller): void {
    this.publish(subjects.caller(of), subjects.alive(of));
  }

  mark(mark: number): void {
    this.publish(`${this.marks}.${mark}`);
  }

  end(): void {
    this.news = undefined;
    for (const subscription of this.subscriptions) {
      if (!subscription.isClosed()) subscription.unsubscribe();
    }
    this.subscriptions = [];
  }

  private publish(subject: string, reply?: string): void {
    const { connection } = this.options;
    if (connection.isClosed()) return;
    connection.publish(subject, NOTHING, reply === undefined ? {} : { reply });
  }

  private noteReconnect(): void {
    this.reconnectedAtMs = performance.now();
    this.news?.onReconnect();
  }
}
