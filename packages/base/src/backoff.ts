/** Exponential backoff with a cap. Jitter is the caller's, who owns the randomness. */
export interface BackoffPolicy {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

/** @param failures how often it failed so far, at least 1. */
export function backoffMs(policy: BackoffPolicy, failures: number): number {
  return Math.min(policy.maxMs, policy.firstMs * policy.factor ** Math.max(0, failures - 1));
}
