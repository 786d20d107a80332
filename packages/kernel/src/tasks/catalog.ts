/** The models and functions that tasks can name. */
import type {
  FunctionDefinition,
  FunctionTraits,
  ModelRef,
  ModelRegistration,
  Target,
} from '@llmos/base';
import { BUILT_IN_FUNCTIONS, NO_TRAITS, compareIds, functionsServedBy } from '@llmos/base';
import { ModelIndex, firstThat, targetOf } from './model-index';
import { isProgram, resolveModel, resolveTarget } from './target-resolution';

export interface ModelChanges {
  /** Targets that are none any more. */
  readonly gone: readonly Target[];
  /** Those, and the ones that have other files now. */
  readonly changed: readonly Target[];
}

/** What of the catalog has changed: one model, or anything. */
export type CatalogChange =
  | { readonly kind: 'model'; readonly name: string; readonly target: Target }
  | { readonly kind: 'any' };

/** Tells each change, after it was made. */
export class Catalog {
  private functions = byFunctionName([]);
  private readonly models = new ModelIndex();
  private serving = new ServingModels();
  /** False until the models were heard of once: nothing may be judged missing before. */
  private hasModels = false;

  constructor(private readonly onChange: (change: CatalogChange) => void = () => undefined) {}

  get isKnown(): boolean {
    return this.hasModels;
  }

  replaceFunctions(functions: readonly FunctionDefinition[]): void {
    this.functions = byFunctionName(functions);
    this.onChange({ kind: 'any' });
  }

  replaceModels(models: readonly ModelRegistration[]): ModelChanges {
    const before = this.models.all();
    this.hasModels = true;
    this.models.replaceAll(models);
    this.serving = new ServingModels();
    let last: ModelRegistration | undefined;
    for (const model of this.models.all()) {
      if (last !== undefined && last.name !== model.name) this.serving.put(last);
      last = model;
    }
    if (last !== undefined) this.serving.put(last);
    this.onChange({ kind: 'any' });
    return this.changesOf(before);
  }

  /** @param model undefined where the target is gone. */
  replaceModel(target: Target, model: ModelRegistration | undefined): ModelChanges {
    const before = this.models.get(target);
    const name = model?.name ?? before?.name;
    if (name === undefined) return { gone: [], changed: [] };
    const newest = this.models.newestOf(name);
    this.models.replace(target, model);
    if (newest !== undefined) this.serving.drop(newest);
    const next = this.models.newestOf(name);
    if (next !== undefined) this.serving.put(next);
    this.onChange({ kind: 'model', name, target });
    return this.changesOf(before === undefined ? [] : [before]);
  }

  function(name: string): FunctionDefinition | undefined {
    return this.functions.get(name);
  }

  /** Of a function that is not known: none. */
  traitsOf(functionName: string): FunctionTraits {
    return this.functions.get(functionName)?.traits ?? NO_TRAITS;
  }

  model(target: Target): ModelRegistration | undefined {
    return this.models.get(target);
  }

  /** Whether a process of this target may exist. */
  isTarget(target: Target): boolean {
    return this.models.has(target) || isProgram(target);
  }

  /** A name without a version means the newest one. */
  resolve(ref: ModelRef): ModelRegistration | undefined {
    return resolveModel(ref, this.models);
  }

  /** What a spawn request names: a model, or a program. */
  resolveTarget(text: string): Target | undefined {
    return resolveTarget(text, this.models);
  }

  /** The newest version of every model that serves the function, by name. */
  newestServing(functionName: string): readonly ModelRegistration[] {
    return this.serving.of(functionName);
  }

  functionNames(): string[] {
    return [...this.functions.keys()].sort(compareIds);
  }

  private changesOf(before: readonly ModelRegistration[]): ModelChanges {
    const changed = before
      .filter((model) => this.models.get(targetOf(model))?.digest !== model.digest)
      .map(targetOf);
    return { gone: changed.filter((target) => !this.isTarget(target)), changed };
  }
}

export function serves({ manifest }: ModelRegistration, functionName: string): boolean {
  return functionsServedBy(manifest.task).some((served) => served === functionName);
}

/** Of each name the newest version, in lists by what they serve, each by name. */
class ServingModels {
  private readonly lists = new Map<string, ModelRegistration[]>();

  of(functionName: string): readonly ModelRegistration[] {
    return this.lists.get(functionName) ?? [];
  }

  put(model: ModelRegistration): void {
    for (const list of this.listsOf(model)) list.splice(placeIn(list, model.name), 0, model);
  }

  drop(model: ModelRegistration): void {
    for (const list of this.listsOf(model)) {
      const place = placeIn(list, model.name);
      if (list[place] === model) list.splice(place, 1);
    }
  }

  private listsOf({ manifest }: ModelRegistration): readonly ModelRegistration[][] {
    return functionsServedBy(manifest.task).map((name) => {
      const list = this.lists.get(name) ?? [];
      this.lists.set(name, list);
      return list;
    });
  }
}

function placeIn(list: readonly ModelRegistration[], name: string): number {
  return firstThat(list, (other) => compareIds(other.name, name) >= 0);
}

function byFunctionName(
  functions: readonly FunctionDefinition[],
): ReadonlyMap<string, FunctionDefinition> {
  // Built-in ones come last: nobody may replace them.
  return new Map([...functions, ...BUILT_IN_FUNCTIONS].map((known) => [known.name, known]));
}
