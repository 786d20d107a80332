/**
 * JetStream as the kernel and the hosts see it: the task stream that hands unacknowledged messages
 * to each new leader, results of which the first wins, recorded attempts, dead letters.
 */
import type { KernelEvent, TaskSpec } from '@llmos/kernel/testing';

/** How the attempts of a task end; known to hosts only. */
export type Script =
  | { readonly kind: 'succeeds' }
  | { readonly kind: 'fails-at-first'; readonly failures: number }
  | { readonly kind: 'fails-finally' }
  /** Its host dies of it. */
  | { readonly kind: 'poison' };

export interface StoredTask {
  readonly spec: TaskSpec;
  readonly isMalformed: boolean;
  readonly script: Script;
  readonly workMs: number;
  isAcknowledged: boolean;
}

export interface StoredResult {
  readonly by: 'kernel' | 'host';
  readonly ok: boolean;
}

export function nameOf(of: { readonly tenant: string; readonly id: string }): string {
  return `${of.tenant}/${of.id}`;
}

type LookedUp = Extract<KernelEvent, { kind: 'result-looked-up' }>;
type AttemptsRow = Pick<LookedUp, 'attempts' | 'uncounted' | 'isApart' | 'failures'>;

export class ModelStore {
  readonly tasks: StoredTask[] = [];
  readonly results = new Map<string, StoredResult>();
  readonly attempts = new Map<string, AttemptsRow>();
  readonly deadLetters = new Set<string>();
  /** Only this epoch's acknowledgements touch anything. */
  consumerEpoch = 0;

  get lastSequence(): number {
    return this.tasks.length;
  }

  bySequence(sequence: number): StoredTask | undefined {
    return this.tasks[sequence - 1];
  }

  /** Expected last subject sequence 0: false where a result is there. */
  tryCommit(name: string, result: StoredResult): boolean {
    if (this.results.has(name)) return false;
    this.results.set(name, result);
    return true;
  }

  /** Tasks of the same key that should have ended before this one. */
  unfinishedBefore(spec: TaskSpec): TaskSpec[] {
    if (spec.key === undefined) return [];
    return this.tasks
      .filter(({ spec: other }) => other.sequence < spec.sequence && other.key === spec.key)
      .filter(({ spec: other }) => other.class === spec.class && other.tenant === spec.tenant)
      .map((stored) => stored.spec)
      .filter((other) => !this.results.has(nameOf(other)));
  }
}
