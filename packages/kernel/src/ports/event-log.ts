import type { ToldFact } from '../kernel-fact';

/** Lifecycle events for people. Best effort: what can't be sent at once is dropped and counted. */
export interface EventLog {
  publish(told: ToldFact): void;
}
