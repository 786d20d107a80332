/** What all parts of a simulated system share: time, chance, faults, and what went wrong. */
import { createHash } from 'node:crypto';
import type { AttemptRef, Random, TaskClass } from '@llmos/base';
import type { Faults } from './scenario';
import { NO_FAULTS } from './scenario';
import { SimulatedServer } from './server/simulated-server';
import type { PublishedTask } from './workload';
import { VirtualTime } from './virtual-time';

export interface WorldOptions {
  readonly faults: Faults;
  readonly isTracing: boolean;
  /** Whether everything that happens goes into the digest: it costs half of the speed. */
  readonly isDigesting: boolean;
}

export class World {
  readonly time = new VirtualTime();
  readonly problems: string[] = [];
  readonly trace: string[] = [];
  readonly server: SimulatedServer;
  /** By their sequence, from 1 on. */
  readonly tasks: PublishedTask[] = [];
  private readonly byClass = new Map<TaskClass, PublishedTask[]>();
  /** Names of the tasks that somebody wanted cancelled. */
  readonly cancelled = new Set<string>();
  /** Names of the tasks that were given up. */
  readonly deadLetters = new Set<string>();
  /** Attempts that were given back. */
  preemptions = 0;
  /** Replicas as stored, for the next leader. */
  readonly desired = new Map<string, number>();
  /** Of the leader's record. */
  epoch = 0;
  /** Whose consumers deliver: only this one's acknowledgements touch anything. */
  consumerEpoch = 0;
  faults: Faults;
  /** By attempt: the epochs of the leaders that sent it, and that stopped it. */
  private readonly sentBy = new Map<string, number[]>();
  private readonly stoppedBy = new Map<string, number[]>();
  private readonly highestAttempt = new Map<string, number>();
  private readonly hash = createHash('sha256');

  constructor(
    readonly random: Random,
    readonly options: WorldOptions,
  ) {
    this.faults = options.faults;
    this.server = new SimulatedServer(this);
  }

  bySequence(sequence: number): PublishedTask | undefined {
    return this.tasks[sequence - 1];
  }

  /** In their order. */
  tasksOf(taskClass: TaskClass): readonly PublishedTask[] {
    return this.byClass.get(taskClass) ?? [];
  }

  addTask(task: PublishedTask): void {
    this.tasks.push(task);
    const all = this.byClass.get(task.class);
    if (all === undefined) this.byClass.set(task.class, [task]);
    else all.push(task);
  }

  log(line: () => string): void {
    const { isTracing, isDigesting } = this.options;
    if (!isTracing && !isDigesting) return;
    const text = `${this.time.nowMs.toFixed(1).padStart(9)} ms  ${line()}`;
    if (isTracing) this.trace.push(text);
    if (isDigesting) this.hash.update(text);
  }

  report(problem: string): void {
    this.problems.push(`at ${this.time.nowMs.toFixed(1)} ms: ${problem}`);
    this.log(() => `PROBLEM ${problem}`);
  }

  /** A message over core NATS: may be lost, late (and so out of order), or come twice. */
  send(deliver: () => void): void {
    const { random, faults, time } = this;
    if (random.chance(faults.dropRate)) return;
    const lateMs = random.chance(faults.lateRate) ? random.next() * 3_000 : 0;
    time.after(0.2 + random.next() * 3 + lateMs, deliver);
    if (random.chance(faults.doubleRate)) time.after(random.next() * 1_500, deliver);
  }

  stopFaults(): void {
    this.faults = NO_FAULTS;
    this.log(() => 'faults end');
  }

  noteSent(epoch: number, ref: AttemptRef): void {
    note(this.sentBy, attemptName(ref), epoch);
    const task = nameOf({ tenant: ref.tenant, id: ref.task });
    const highest = this.highestAttempt.get(task) ?? 0;
    this.highestAttempt.set(task, Math.max(highest, ref.attempt));
  }

  noteStopped(epoch: number, ref: AttemptRef): void {
    note(this.stoppedBy, attemptName(ref), epoch);
  }

  /** Whether a leader that may, or a later attempt, has stopped this one. */
  wasStopped(ref: AttemptRef): boolean {
    const task = nameOf({ tenant: ref.tenant, id: ref.task });
    if ((this.highestAttempt.get(task) ?? 0) > ref.attempt) return true;
    const firstEpoch = Math.min(...(this.sentBy.get(attemptName(ref)) ?? [Infinity]));
    return (this.stoppedBy.get(attemptName(ref)) ?? []).some((epoch) => epoch >= firstEpoch);
  }

  digest(): string {
    return this.hash.digest('hex');
  }
}

export function nameOf(of: { readonly tenant: string; readonly id: string }): string {
  return `${of.tenant}/${of.id}`;
}

function attemptName({ tenant, task, attempt }: AttemptRef): string {
  return `${tenant}/${task}/${attempt}`;
}

function note(epochsOf: Map<string, number[]>, name: string, epoch: number): void {
  const epochs = epochsOf.get(name);
  if (epochs === undefined) epochsOf.set(name, [epoch]);
  else epochs.push(epoch);
}
