import type { KernelDecision } from '../kernel-decision';

export type Announcement = Extract<KernelDecision, { kind: 'announce' }>;

/** Lifecycle events for people. Best effort: what can't be sent at once is dropped and counted. */
export interface EventLog {
  publish(announcement: Announcement): void;
}
