/** The models and functions that tasks can name. Replaced as a whole when the registry changes. */
import type { FunctionDefinition, ModelRef, ModelRegistration } from '@llmos/base';
import { BUILT_IN_FUNCTIONS, compareIds, formatModelRef, parseModelRef } from '@llmos/base';

export function targetOf(model: ModelRegistration): string {
  return formatModelRef({ name: model.name, version: model.version });
}

export interface ModelChanges {
  /** Targets that are none any more. */
  readonly gone: readonly string[];
  /** Those, and the ones that have other files now. */
  readonly changed: readonly string[];
}

export class Catalog {
  private functions = byFunctionName([]);
  private readonly models = new Map<string, ModelRegistration>();
  private readonly newest = new Map<string, ModelRegistration>();
  /** False until the models were heard of once: nothing may be judged missing before. */
  private hasModels = false;

  get isKnown(): boolean {
    return this.hasModels;
  }

  /** @returns the programs that are no target any more. */
  replaceFunctions(functions: readonly FunctionDefinition[]): readonly string[] {
    const before = [...this.functions.keys()].filter((name) => this.isProgram(name));
    this.functions = byFunctionName(functions);
    return before.filter((name) => !this.isTarget(name));
  }

  replaceModels(models: readonly ModelRegistration[]): ModelChanges {
    const before = [...this.models];
    this.hasModels = true;
    this.models.clear();
    this.newest.clear();
    for (const model of models) {
      this.models.set(targetOf(model), model);
      const other = this.newest.get(model.name);
      if (other === undefined || isNewer(model, other)) this.newest.set(model.name, model);
    }
    const gone = before.map(([target]) => target).filter((target) => !this.isTarget(target));
    const changed = before
      .filter(([target, { digest }]) => this.models.get(target)?.digest !== digest)
      .map(([target]) => target);
    return { gone, changed };
  }

  function(name: string): FunctionDefinition | undefined {
    return this.functions.get(name);
  }

  model(target: string): ModelRegistration | undefined {
    return this.models.get(target);
  }

  /** Whether a process of this target may exist. */
  isTarget(target: string): boolean {
    return this.models.has(target) || this.isProgram(target);
  }

  isProgram(target: string): boolean {
    return this.functions.get(target)?.runs === 'program';
  }

  /** A name without a version means the newest one. */
  resolve(ref: ModelRef): ModelRegistration | undefined {
    return ref.version === undefined
      ? this.newest.get(ref.name)
      : this.models.get(formatModelRef(ref));
  }

  /** What a spawn request names: a model, or a built-in program. */
  resolveTarget(text: string): string | undefined {
    if (this.isProgram(text)) return text;
    const ref = parseModelRef(text);
    const model = ref === undefined ? undefined : this.resolve(ref);
    return model === undefined ? undefined : targetOf(model);
  }

  /** The newest version of every model, by name. */
  newestModels(): ModelRegistration[] {
    return [...this.newest.values()].sort((a, b) => compareIds(a.name, b.name));
  }

  functionNames(): string[] {
    return [...this.functions.keys()].sort(compareIds);
  }
}

function byFunctionName(
  functions: readonly FunctionDefinition[],
): ReadonlyMap<string, FunctionDefinition> {
  // Built-in ones come last: nobody may replace them.
  return new Map([...functions, ...BUILT_IN_FUNCTIONS].map((known) => [known.name, known]));
}

function isNewer(a: ModelRegistration, b: ModelRegistration): boolean {
  if (a.addedWallMs !== b.addedWallMs) return a.addedWallMs > b.addedWallMs;
  return compareIds(a.version, b.version) > 0;
}
