/**
 * The attempts that a process accepted and has not ended: waiting in order, or running.
 *
 * Pure state. Only `runProcess` writes it. Invariants: M1 an attempt is held once; M2 of a task
 * only the highest attempt seen is accepted; M3 at most `capacity` tasks are held.
 */
import type { AttemptRef, AttemptSpec } from '@llmos/base';
import { compareUrgency } from '@llmos/base';
import { attemptId, refOf, taskIdOf } from './attempt';

export type OfferOutcome =
  /** `replaces`: a lower attempt of the same task that must stop. */
  | { readonly kind: 'accepted'; readonly replaces?: AttemptRef }
  /** Held already: accept it again, the first answer may be lost. */
  | { readonly kind: 'duplicate' }
  /** A higher attempt of this task is here. */
  | { readonly kind: 'superseded' }
  /** Not accepted: the kernel repeats it later. */
  | { readonly kind: 'full' };

interface Held {
  readonly spec: AttemptSpec;
  isRunning: boolean;
}

export class Mailbox {
  private readonly held = new Map<string, Held>();
  /** Task → its attempt here. */
  private readonly byTask = new Map<string, AttemptRef>();
  /** Sorted, most urgent first. */
  private readonly waiting: AttemptSpec[] = [];

  constructor(private readonly capacity: number) {}

  get size(): number {
    return this.held.size;
  }

  get waitingCount(): number {
    return this.waiting.length;
  }

  offer(spec: AttemptSpec): OfferOutcome {
    if (this.held.has(attemptId(spec))) return { kind: 'duplicate' };
    const other = this.byTask.get(taskIdOf(spec));
    if (other !== undefined && other.attempt > spec.attempt) return { kind: 'superseded' };
    if (other === undefined && this.held.size >= this.capacity) return { kind: 'full' };
    this.held.set(attemptId(spec), { spec, isRunning: false });
    this.byTask.set(taskIdOf(spec), refOf(spec));
    this.insert(spec);
    return other === undefined ? { kind: 'accepted' } : { kind: 'accepted', replaces: other };
  }

  /** Moves the most urgent waiting attempt to running. */
  takeNext(): AttemptSpec | undefined {
    const spec = this.waiting.shift();
    const entry = spec === undefined ? undefined : this.held.get(attemptId(spec));
    if (entry !== undefined) entry.isRunning = true;
    return spec;
  }

  stateOf(ref: AttemptRef): 'waiting' | 'running' | 'unknown' {
    const entry = this.held.get(attemptId(ref));
    if (entry === undefined) return 'unknown';
    return entry.isRunning ? 'running' : 'waiting';
  }

  /** Forgets an attempt that ended, whether it ran or not. */
  remove(ref: AttemptRef): void {
    const entry = this.held.get(attemptId(ref));
    if (entry === undefined) return;
    this.held.delete(attemptId(ref));
    if (this.byTask.get(taskIdOf(ref))?.attempt === ref.attempt) this.byTask.delete(taskIdOf(ref));
    if (entry.isRunning) return;
    const index = this.waiting.indexOf(entry.spec);
    if (index >= 0) this.waiting.splice(index, 1);
  }

  refs(): AttemptRef[] {
    return this.specs().map(refOf);
  }

  specs(): AttemptSpec[] {
    return [...this.held.values()].map((entry) => entry.spec);
  }

  private insert(spec: AttemptSpec): void {
    let low = 0;
    let high = this.waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.waiting[middle];
      if (other !== undefined && compareUrgency(other, spec) <= 0) low = middle + 1;
      else high = middle;
    }
    this.waiting.splice(low, 0, spec);
  }
}
