/** Lets one waiter sleep until something rings, a time has passed, or a signal aborts. */
export interface Doorbell {
  /** Ends the wait; without a waiter, the next wait ends at once. */
  ring(): void;
  /** Resolves in every case: the waiter looks around by itself. One waiter at a time. */
  wait(waitMs: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<void>;
}
export type CreateDoorbell = () => Doorbell;
