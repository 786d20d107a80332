/**
 * What spawn requests ask for: replicas to keep, by the name that each request gave. Sole writer of
 * its rows; tells the targets that may need another number of processes.
 *
 * A name without a version means another target once a newer version is there. Each name is
 * resolved once when it is asked for, and again when the catalog tells that its model has changed.
 */
import type { Target } from '@llmos/base';
import { compareIds, parseModelRef } from '@llmos/base';
import type { Catalog, CatalogChange } from '../tasks/catalog';

interface Wish {
  readonly name: string;
  readonly replicas: number;
  /** What the name means now; undefined where nothing has it. */
  target: Target | undefined;
}

export class DesiredReplicas {
  private readonly byName = new Map<string, Wish>();
  /** By the name of the model, whatever the version. */
  private readonly byModel = new Map<string, Set<Wish>>();
  private readonly byTarget = new Map<Target, Set<Wish>>();

  constructor(
    private readonly catalog: Pick<Catalog, 'resolveTarget'>,
    private readonly onChange: (target: Target) => void = () => undefined,
  ) {}

  /** @returns what the name asked for before. */
  replace(name: string, replicas: number): number {
    const before = this.byName.get(name);
    if (before !== undefined) {
      this.byName.delete(name);
      drop(this.byModel, modelOf(name), before);
      this.point(before, undefined);
    }
    if (replicas > 0) {
      const wish: Wish = { name, replicas, target: undefined };
      this.byName.set(name, wish);
      put(this.byModel, modelOf(name), wish);
      this.point(wish, this.catalog.resolveTarget(name));
    }
    return before?.replicas ?? 0;
  }

  /** Resolves again what the change may mean for. */
  follow(change: CatalogChange): void {
    const wishes = change.kind === 'any' ? this.byName.values() : this.byModel.get(change.name);
    for (const wish of wishes ?? []) this.point(wish, this.catalog.resolveTarget(wish.name));
  }

  /** The most that any name of the target asks for. */
  of(target: Target): number {
    let most = 0;
    for (const { replicas } of this.byTarget.get(target) ?? []) most = Math.max(most, replicas);
    return most;
  }

  /** Those that exist and are asked for, by their ids. */
  targets(): readonly Target[] {
    return [...this.byTarget.keys()].sort(compareIds);
  }

  /** Names that mean another target than was noted: none. */
  stale(): string[] {
    const wishes = [...this.byName.values()];
    const isStale = ({ name, target }: Wish) => this.catalog.resolveTarget(name) !== target;
    return wishes.filter(isStale).map(({ name }) => name);
  }

  private point(wish: Wish, target: Target | undefined): void {
    const before = wish.target;
    if (before === target) return;
    wish.target = target;
    if (before !== undefined) {
      drop(this.byTarget, before, wish);
      this.onChange(before);
    }
    if (target === undefined) return;
    put(this.byTarget, target, wish);
    this.onChange(target);
  }
}

/** A program has its own name. */
function modelOf(name: string): string {
  return parseModelRef(name)?.name ?? name;
}

function put(index: Map<string, Set<Wish>>, key: string, wish: Wish): void {
  index.set(key, (index.get(key) ?? new Set()).add(wish));
}

function drop(index: Map<string, Set<Wish>>, key: string, wish: Wish): void {
  const wishes = index.get(key);
  wishes?.delete(wish);
  if (wishes?.size === 0) index.delete(key);
}
