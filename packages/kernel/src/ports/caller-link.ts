import type { TenantCaller } from '@llmos/base';

/** What comes back of questions to callers; anything may be lost. */
export interface CallerNews {
  /** The caller answered. */
  readonly onAlive: (of: TenantCaller) => void;
  /** The server knows that nobody listened when it was asked. */
  readonly onUnheard: (of: TenantCaller) => void;
  /** Everything that was asked before this mark has been handed on by the server. */
  readonly onMark: (mark: number) => void;
  /** The connection was lost and is back. */
  readonly onReconnect: () => void;
}

/** The way to the clients that tasks are bound to. */
export interface CallerLink {
  begin(news: CallerNews): void;
  /** Asks one whether it is there. Never throws. */
  ask(of: TenantCaller): void;
  /** Comes back as `onMark`, behind what was asked before. Never throws. */
  mark(mark: number): void;
  end(): void;
}
