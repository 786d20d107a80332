/**
 * Tasks with a key wait in line, per class, tenant and key, in stream order. Only the first may be
 * queued or run (invariant K5); a retry therefore blocks its successors. Everything is O(1) for
 * tasks that come in stream order. Sole writer of the lines.
 */
import type { Task } from './task';

interface Link {
  readonly task: Task;
  readonly chain: Chain;
  previous: Link | undefined;
  next: Link | undefined;
}
interface Chain {
  readonly name: string;
  first: Link | undefined;
  last: Link | undefined;
}

/** Undefined for a task without a key. */
export function chainName(task: Task): string | undefined {
  const { key, tenant } = task.spec;
  return key === undefined ? undefined : `${task.spec.class}/${tenant}/${key}`;
}

export class KeyChains {
  private readonly chains = new Map<string, Chain>();
  private readonly links = new Map<number, Link>();

  /** A task without a key is ignored, and one that stands in its line already. */
  add(task: Task): void {
    const name = chainName(task);
    if (name === undefined || this.links.has(task.spec.sequence)) return;
    let chain = this.chains.get(name);
    if (chain === undefined) {
      chain = { name, first: undefined, last: undefined };
      this.chains.set(name, chain);
    }
    let previous = chain.last;
    while (previous !== undefined && previous.task.spec.sequence > task.spec.sequence) {
      previous = previous.previous;
    }
    const next = previous === undefined ? chain.first : previous.next;
    const link: Link = { task, chain, previous, next };
    if (previous === undefined) chain.first = link;
    else previous.next = link;
    if (next === undefined) chain.last = link;
    else next.previous = link;
    this.links.set(task.spec.sequence, link);
  }

  /** True for a task without a key. */
  isFirst(task: Task): boolean {
    const link = this.links.get(task.spec.sequence);
    return link === undefined || link.previous === undefined;
  }

  /** Takes it out of its line; returns the task that is first now where that changed. */
  remove(task: Task): Task | undefined {
    const link = this.links.get(task.spec.sequence);
    if (link === undefined) return undefined;
    const { chain, previous, next } = link;
    this.links.delete(task.spec.sequence);
    if (previous === undefined) chain.first = next;
    else previous.next = next;
    if (next === undefined) chain.last = previous;
    else next.previous = previous;
    if (chain.first === undefined) this.chains.delete(chain.name);
    return previous === undefined ? next?.task : undefined;
  }

  /** Every line in order, for the invariants. */
  lines(): Task[][] {
    return [...this.chains.values()].map((chain) => {
      const tasks: Task[] = [];
      for (let link = chain.first; link !== undefined; link = link.next) tasks.push(link.task);
      return tasks;
    });
  }
}
