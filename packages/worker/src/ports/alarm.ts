/** Time that calls back, so that who waits can be tested without waiting. */
export interface Alarm {
  /** Calls back once after this time; the returned function cancels it. */
  after(delayMs: number, ring: () => void): () => void;
}
