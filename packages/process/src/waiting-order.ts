/**
 * Who goes first among the attempts that wait in a process. Pure.
 *
 * One object decides, for every kind of program: the mailbox sorts by it, and a dispatcher asks it
 * whether one that waits may come in between what runs. Nothing else compares attempts that wait.
 *
 * The order here: class → priority → tenants in turns → age. Where class and priority are equal,
 * first goes whoever has less running, then whoever was served longer ago; so one that sends many
 * is not in front of all. Among those of one tenant the older message goes first.
 */
import type { AttemptSpec } from '@llmos/base';
import { Tally, compareUrgency, mayInterrupt } from '@llmos/base';

/** What an order may look at. */
export type Ranked = Pick<AttemptSpec, 'tenant' | 'class' | 'priority' | 'sequence'>;

export interface WaitingOrder {
  /** Negative where `a` goes first, as far as it does not depend on who was served. */
  compare(a: Ranked, b: Ranked): number;
  /** The same attempts, the next one first. @param waiting sorted by `compare`. */
  inOrder<Item extends Ranked>(waiting: readonly Item[]): readonly Item[];
  /** Whether one that waits may come in between the runs of one that runs. */
  mayInterrupt(waiting: Ranked, running: Ranked): boolean;
  /** Whether it has nothing here, beside one as urgent of somebody else. */
  isGuest(waiting: Ranked, running: Ranked): boolean;
  /** It was taken; and when it was answered. Called once each, in this order. */
  began(of: Ranked): void;
  ended(of: Ranked): void;
  /** Nothing waits any more: who was served when counts no longer. */
  emptied(): void;
}

export class TenantTurns implements WaitingOrder {
  /** What runs, by tenant. */
  private readonly running = new Tally<string>();
  /** Tenants by when they were given something last, while anything waits. */
  private readonly servedAt = new Map<string, number>();
  private served = 0;

  compare(a: Ranked, b: Ranked): number {
    return compareUrgency(a, b);
  }

  inOrder<Item extends Ranked>(waiting: readonly Item[]): readonly Item[] {
    const [first] = waiting;
    if (first === undefined || waiting.every(({ tenant }) => tenant === first.tenant)) {
      return waiting;
    }
    const turns = new Map<string, number>();
    const ranked = waiting.map((item) => {
      const { tenant, priority } = item;
      const line = `${item.class} ${priority} ${tenant}`;
      const turn = turns.get(line) ?? this.running.of(tenant);
      turns.set(line, turn + 1);
      const servedAt = this.servedAt.get(tenant) ?? 0;
      return { item, servedAt, urgency: { class: item.class, priority, sequence: turn } };
    });
    ranked.sort((a, b) => compareUrgency(a.urgency, b.urgency) || a.servedAt - b.servedAt);
    return ranked.map(({ item }) => item);
  }

  mayInterrupt(waiting: Ranked, running: Ranked): boolean {
    return mayInterrupt(waiting, running);
  }

  isGuest(waiting: Ranked, running: Ranked): boolean {
    const isEqual = !mayInterrupt(waiting, running) && !mayInterrupt(running, waiting);
    return isEqual && waiting.tenant !== running.tenant && this.running.of(waiting.tenant) === 0;
  }

  began({ tenant }: Ranked): void {
    this.running.add(tenant);
    this.served += 1;
    this.servedAt.set(tenant, this.served);
  }

  ended({ tenant }: Ranked): void {
    this.running.remove(tenant);
  }

  emptied(): void {
    this.servedAt.clear();
  }
}
