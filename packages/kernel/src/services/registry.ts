/**
 * This kernel's view of models and functions: what the buckets hold, checked and indexed.
 *
 * Fed by RegistryStore's watches, read by intake, services and the core. The built-in functions
 * are always there and can't be replaced.
 */
import type { FunctionDefinition, Logger, ModelRegistration, SchemaCheck } from '@llmos/base';
import {
  BUILT_IN_FUNCTIONS,
  compareIds,
  compileSchemaCheck,
  formatModelRef,
  parseModelRef,
  quoteShort,
} from '@llmos/base';

interface RegisteredFunction {
  readonly definition: FunctionDefinition;
  readonly checkInput: SchemaCheck;
}

/** Programs that processes can run without a model package. */
export const BUILT_IN_PROGRAMS: ReadonlySet<string> = new Set(
  BUILT_IN_FUNCTIONS.filter((definition) => definition.runs === 'program').map(
    (definition) => definition.name,
  ),
);

/** In their own order. */
export const BUILT_IN_NAMES: readonly string[] = BUILT_IN_FUNCTIONS.map(({ name }) => name);

export class Registry {
  private modelList: readonly ModelRegistration[] = [];
  private modelsByTarget = new Map<string, ModelRegistration>();
  private functionsByName = new Map<string, RegisteredFunction>();
  private areModelsKnown = false;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly log: Logger) {
    this.setFunctions([]);
  }

  /** Whether the models bucket was read. */
  isReady(): boolean {
    return this.areModelsKnown;
  }

  setModels(models: readonly ModelRegistration[]): void {
    this.areModelsKnown = true;
    this.modelList = [...models].sort((a, b) => compareIds(a.name, b.name) || compareAge(a, b));
    this.modelsByTarget = new Map(this.modelList.map((model) => [formatModelRef(model), model]));
    this.announce();
  }

  setFunctions(functions: readonly FunctionDefinition[]): void {
    const next = new Map<string, RegisteredFunction>();
    const added = functions.filter((definition) => !BUILT_IN_NAMES.includes(definition.name));
    for (const definition of [...BUILT_IN_FUNCTIONS, ...added]) {
      const known = this.functionsByName.get(definition.name);
      const isSame = known !== undefined && known.definition === definition;
      const compiled = isSame ? known : this.tryCompile(definition);
      if (compiled !== undefined) next.set(definition.name, compiled);
    }
    this.functionsByName = next;
    this.announce();
  }

  /** Called after every change; answers how to stop. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  models(): readonly ModelRegistration[] {
    return this.modelList;
  }

  functions(): readonly FunctionDefinition[] {
    return [...this.functionsByName.values()].map((entry) => entry.definition);
  }

  functionOf(name: string): FunctionDefinition | undefined {
    return this.functionsByName.get(name)?.definition;
  }

  inputCheckOf(name: string): SchemaCheck | undefined {
    return this.functionsByName.get(name)?.checkInput;
  }

  /** @param target `name@version`. */
  modelOf(target: string): ModelRegistration | undefined {
    return this.modelsByTarget.get(target);
  }

  /** Oldest first. */
  versionsOf(name: string): readonly ModelRegistration[] {
    return this.modelList.filter((model) => model.name === name);
  }

  /** NAME (the newest version) or NAME@VERSION, or a built-in program, as a target. */
  resolveTarget(text: string): string | undefined {
    if (BUILT_IN_PROGRAMS.has(text)) return text;
    const ref = parseModelRef(text);
    if (ref === undefined) return undefined;
    if (ref.version !== undefined) return this.modelsByTarget.has(text) ? text : undefined;
    const newest = this.versionsOf(ref.name).at(-1);
    return newest === undefined ? undefined : formatModelRef(newest);
  }

  private tryCompile(definition: FunctionDefinition): RegisteredFunction | undefined {
    try {
      const checkInput = compileSchemaCheck(definition.input, `input of ${definition.name}`);
      return { definition, checkInput };
    } catch (error) {
      this.log.warn('function-schema-refused', { function: quoteShort(definition.name), error });
      return undefined;
    }
  }

  private announce(): void {
    for (const listener of this.listeners) listener();
  }
}

/** The newest version is the one added last, as the core has it. */
function compareAge(a: ModelRegistration, b: ModelRegistration): number {
  return a.addedWallMs - b.addedWallMs || compareIds(a.version, b.version);
}
