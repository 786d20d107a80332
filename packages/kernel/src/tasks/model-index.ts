/**
 * The registered models by target, by name, and in the order of lists: by name, the oldest version
 * first. Sole writer of its rows.
 *
 * A system may have ten thousand of them and they change one at a time, so a change looks at no
 * more rows than a search by halves does, and nothing that a task needs goes over all of them.
 */
import type { ModelRegistration, Target } from '@llmos/base';
import { compareIds, modelTarget } from '@llmos/base';

export function targetOf(model: ModelRegistration): Target {
  return modelTarget(model);
}

export class ModelIndex {
  private byTarget = new Map<Target, ModelRegistration>();
  /** Never changed in place: whoever was given it keeps what it was. */
  private inOrder: readonly ModelRegistration[] = [];

  replaceAll(models: readonly ModelRegistration[]): void {
    this.byTarget = new Map(models.map((model) => [targetOf(model), model]));
    this.inOrder = [...this.byTarget.values()].sort(compareModels);
  }

  /** @param model undefined where the target is gone. */
  replace(target: Target, model: ModelRegistration | undefined): void {
    const before = this.byTarget.get(target);
    if (before !== undefined) {
      this.byTarget.delete(target);
      this.inOrder = this.inOrder.toSpliced(firstAtOrAfter(this.inOrder, before), 1);
    }
    if (model === undefined) return;
    this.byTarget.set(target, model);
    this.inOrder = this.inOrder.toSpliced(firstAtOrAfter(this.inOrder, model), 0, model);
  }

  get(target: Target): ModelRegistration | undefined {
    return this.byTarget.get(target);
  }

  has(target: Target): boolean {
    return this.byTarget.has(target);
  }

  /** By name, then by age. */
  all(): readonly ModelRegistration[] {
    return this.inOrder;
  }

  /** Oldest first: the newest is the one added last. */
  versionsOf(name: string): readonly ModelRegistration[] {
    const begin = firstOfName(this.inOrder, name);
    let end = begin;
    while (this.inOrder[end]?.name === name) end += 1;
    return this.inOrder.slice(begin, end);
  }

  newestOf(name: string): ModelRegistration | undefined {
    const last = this.inOrder[firstBehindName(this.inOrder, name) - 1];
    return last?.name === name ? last : undefined;
  }
}

type Models = readonly ModelRegistration[];

function compareModels(a: ModelRegistration, b: ModelRegistration): number {
  return (
    compareIds(a.name, b.name) || a.addedWallMs - b.addedWallMs || compareIds(a.version, b.version)
  );
}

function firstAtOrAfter(models: Models, model: ModelRegistration): number {
  return firstThat(models, (other) => compareModels(other, model) >= 0);
}

function firstOfName(models: Models, name: string): number {
  return firstThat(models, (other) => compareIds(other.name, name) >= 0);
}

function firstBehindName(models: Models, name: string): number {
  return firstThat(models, (other) => compareIds(other.name, name) > 0);
}

/** The place of the first that holds, where all behind it do; a search by halves. */
export function firstThat<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(items[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}
