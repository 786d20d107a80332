/**
 * Whether and when a process that died is started again.
 *
 * Only failures without work count towards the limit: a host that dies under its tasks is bounded
 * by the attempts of those tasks, and a hostile task must not take a model from everyone.
 */
import type { BackoffPolicy } from '@llmos/base';
import { backoffMs } from '@llmos/base';

export interface RestartRules {
  readonly limit: number;
  readonly windowMs: number;
  readonly backoff: BackoffPolicy;
}

export type RestartVerdict =
  | { readonly kind: 'restart'; readonly atMs: number; readonly failuresAtMs: number[] }
  | { readonly kind: 'give-up'; readonly failures: number };

export interface Failure {
  readonly failuresAtMs: readonly number[];
  /** It died while it ran tasks. */
  readonly hadWork: boolean;
  readonly nowMs: number;
}

export function judgeRestart(failure: Failure, rules: RestartRules): RestartVerdict {
  const { nowMs } = failure;
  const recent = failure.failuresAtMs.filter((atMs) => nowMs - atMs < rules.windowMs);
  if (failure.hadWork) {
    return { kind: 'restart', atMs: nowMs + rules.backoff.firstMs, failuresAtMs: recent };
  }
  recent.push(nowMs);
  if (recent.length > rules.limit) return { kind: 'give-up', failures: recent.length };
  const atMs = nowMs + backoffMs(rules.backoff, recent.length);
  return { kind: 'restart', atMs, failuresAtMs: recent };
}
