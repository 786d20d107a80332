/**
 * What spawn requests ask for: replicas to keep, by the name that each request gave. Sole writer of
 * its rows.
 *
 * A name without a version means another target once a newer version is there, so what a target
 * needs follows from the catalog, too. It is worked out once after either has changed: whoever
 * provides processes asks for every target there is.
 */
import { compareIds } from '@llmos/base';
import type { Catalog } from '../tasks/catalog';

export class DesiredReplicas {
  private readonly byName = new Map<string, number>();
  private known:
    { readonly byTarget: ReadonlyMap<string, number>; readonly revision: number } | undefined;

  constructor(private readonly catalog: Pick<Catalog, 'resolveTarget' | 'revision'>) {}

  /** @returns what the name asked for before. */
  replace(name: string, replicas: number): number {
    const before = this.byName.get(name) ?? 0;
    if (replicas === 0) this.byName.delete(name);
    else this.byName.set(name, replicas);
    this.known = undefined;
    return before;
  }

  /** The most that any name of the target asks for. */
  of(target: string): number {
    return this.byTarget().get(target) ?? 0;
  }

  /** Those that exist and are asked for, by their ids. */
  targets(): readonly string[] {
    return [...this.byTarget().keys()];
  }

  private byTarget(): ReadonlyMap<string, number> {
    const { revision } = this.catalog;
    if (this.known?.revision === revision) return this.known.byTarget;
    const found = new Map<string, number>();
    for (const [name, count] of this.byName) {
      const target = this.catalog.resolveTarget(name);
      if (target !== undefined) found.set(target, Math.max(found.get(target) ?? 0, count));
    }
    const byTarget = new Map([...found].sort(([a], [b]) => compareIds(a, b)));
    this.known = { byTarget, revision };
    return byTarget;
  }
}
