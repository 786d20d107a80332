/**
 * Tasks that could run now, per target, in the order of the policy.
 *
 * A task whose key is bound to a process waits in that process's own line of the target, all others
 * in the shared one. Every change costs what it costs the policy. Sole writer of its lines; tells
 * each change.
 */
import type { AttemptCost, ProcessId, Target, TaskClass, TenantId } from '@llmos/base';
import type { Task } from '../tasks/task';
import { goesBefore, type Ahead, type Place } from './queue-policy';
import type { PolicyLine, QueuePolicy } from './queue-policy';

interface TargetLines {
  readonly shared: PolicyLine;
  readonly pinned: Map<ProcessId, PolicyLine>;
  size: number;
}

/** What the queue tells, after it has changed. */
export interface QueueListener {
  /** A task may be taken that could not be taken before, by this process at least. */
  readonly onOffer: (target: Target) => void;
  /** So many wait now; the most urgent one may be another. */
  readonly onChange: (target: Target, size: number) => void;
}

const NOBODY: QueueListener = { onOffer: () => undefined, onChange: () => undefined };

export class RunQueue {
  private readonly lines = new Map<Target, TargetLines>();
  private readonly places = new Map<number, Place>();
  private readonly counts = { interactive: 0, standard: 0, batch: 0 };

  constructor(
    private readonly policy: QueuePolicy,
    private readonly listener: QueueListener = NOBODY,
  ) {}

  get size(): number {
    return this.places.size;
  }

  countsByClass(): Record<TaskClass, number> {
    return { ...this.counts };
  }

  sizeOf(target: Target): number {
    return this.lines.get(target)?.size ?? 0;
  }

  has(task: Task): boolean {
    return this.places.has(task.spec.sequence);
  }

  /** Targets that have a task waiting. */
  targets(): Target[] {
    return [...this.lines.keys()];
  }

  add(task: Task, target: Target, pinnedTo: ProcessId | undefined): void {
    const lines = this.linesOf(target);
    const line = pinnedTo === undefined ? lines.shared : this.pinnedLine(lines, pinnedTo);
    this.places.set(task.spec.sequence, line.add(task));
    lines.size += 1;
    this.counts[task.spec.class] += 1;
    this.listener.onOffer(target);
    this.listener.onChange(target, lines.size);
  }

  remove(task: Task): void {
    const place = this.places.get(task.spec.sequence);
    if (place === undefined) return;
    this.places.delete(task.spec.sequence);
    const { line } = place;
    line.remove(place);
    this.counts[task.spec.class] -= 1;
    const lines = this.linesOf(line.target);
    lines.size -= 1;
    if (lines.size === 0) this.lines.delete(line.target);
    this.listener.onChange(line.target, lines.size);
  }

  /** This task is taken now: its tenant had its turn. */
  serve(task: Task): void {
    const place = this.places.get(task.spec.sequence);
    if (place === undefined) return;
    place.line.serve(place);
    this.tell(place.line.target);
  }

  /** An attempt of it has cost so much more. */
  charge(task: Task, more: AttemptCost): void {
    for (const target of this.policy.charge(task, more)) this.tell(target);
  }

  /** What this process should run next: its own or a shared task, of anyone but that tenant. */
  bestFor(target: Target, pid: ProcessId, except?: TenantId): Task | undefined {
    const lines = this.lines.get(target);
    return this.firstOf(lines?.shared.head(except), lines?.pinned.get(pid)?.head(except));
  }

  /** The most urgent task of a target, whoever may run it. */
  headOf(target: Target): Task | undefined {
    const lines = this.lines.get(target);
    let head = lines?.shared.head();
    for (const line of lines?.pinned.values() ?? []) head = this.firstOf(head, line.head());
    return head;
  }

  /** How many tasks that the process could take next may push aside what runs in it. */
  countAbove(target: Target, pid: ProcessId, running: Task): number {
    const lines = this.lines.get(target);
    const own = lines?.pinned.get(pid)?.countAbove(running) ?? 0;
    return own + (lines?.shared.countAbove(running) ?? 0);
  }

  /** Those of the targets that have tasks, in the order of their most urgent one. */
  byUrgency(targets: Iterable<Target>): Target[] {
    const heads = [...targets].flatMap((target) => {
      const head = this.headOf(target);
      return head === undefined ? [] : [{ target, head }];
    });
    heads.sort((a, b) => (goesBefore(this.policy, a.head, b.head) ? -1 : 1));
    return heads.map(({ target }) => target);
  }

  /** How many go before it, shared or bound to the same process; undefined where too many. */
  ahead(task: Task, most: number): Ahead | undefined {
    const place = this.places.get(task.spec.sequence);
    if (place === undefined) return { own: 0, others: 0 };
    const { line } = place;
    const { shared } = this.linesOf(line.target);
    return this.policy.ahead(place, line === shared ? [shared] : [shared, line], most);
  }

  /** The process is gone: its tasks may go anywhere. */
  unpin(target: Target, pid: ProcessId): void {
    const lines = this.lines.get(target);
    const line = lines?.pinned.get(pid);
    if (lines === undefined || line === undefined) return;
    lines.pinned.delete(pid);
    for (const place of line.places()) {
      line.remove(place);
      this.places.set(place.task.spec.sequence, lines.shared.add(place.task));
    }
    this.listener.onOffer(target);
    this.tell(target);
  }

  private tell(target: Target): void {
    this.listener.onChange(target, this.sizeOf(target));
  }

  private firstOf(a: Task | undefined, b: Task | undefined): Task | undefined {
    if (a === undefined || b === undefined) return a ?? b;
    return goesBefore(this.policy, a, b) ? a : b;
  }

  private linesOf(target: Target): TargetLines {
    let lines = this.lines.get(target);
    if (lines === undefined) {
      lines = { shared: this.policy.createLine(target), pinned: new Map(), size: 0 };
      this.lines.set(target, lines);
    }
    return lines;
  }

  private pinnedLine({ shared, pinned }: TargetLines, pid: ProcessId): PolicyLine {
    let line = pinned.get(pid);
    if (line === undefined) {
      line = this.policy.createLine(shared.target);
      pinned.set(pid, line);
    }
    return line;
  }
}
