/**
 * This kernel's view of models and functions: what the buckets hold, checked and indexed.
 *
 * Fed by RegistryStore's watches, read by intake, services and the core. The built-in functions
 * are always there and can't be replaced.
 */
import type {
  FunctionDefinition,
  FunctionTraits,
  Logger,
  ModelRegistration,
  SchemaCheck,
  Target,
} from '@llmos/base';
import { BUILT_IN_FUNCTIONS, NO_TRAITS, compileSchemaCheck, quoteShort } from '@llmos/base';
import type { ModelsEvent, RegistryEvent } from '../kernel-event';
import { ModelIndex } from '../tasks/model-index';
import { resolveTarget } from '../tasks/target-resolution';

interface RegisteredFunction {
  readonly definition: FunctionDefinition;
  readonly checkInput: SchemaCheck;
}

/** In their own order. */
export const BUILT_IN_NAMES: readonly string[] = BUILT_IN_FUNCTIONS.map(({ name }) => name);

export class Registry {
  private readonly modelIndex = new ModelIndex();
  private functionsByName = new Map<string, RegisteredFunction>();
  private areModelsKnown = false;
  private readonly listeners = new Set<(event: RegistryEvent) => void>();

  constructor(private readonly log: Logger) {
    this.setFunctions([]);
  }

  /** Whether the models bucket was read. */
  isReady(): boolean {
    return this.areModelsKnown;
  }

  applyModels(event: ModelsEvent): void {
    if (event.kind === 'models-changed') {
      this.areModelsKnown = true;
      this.modelIndex.replaceAll(event.models);
    } else {
      this.modelIndex.replace(event.target, event.model);
    }
    this.announce(event);
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
    this.announce({ kind: 'functions-changed', functions: this.functions() });
  }

  /** Told of all there is, then of every change; answers how to stop. */
  follow(listener: (event: RegistryEvent) => void): () => void {
    listener({ kind: 'functions-changed', functions: this.functions() });
    if (this.areModelsKnown) listener({ kind: 'models-changed', models: this.models() });
    return this.onChange(listener);
  }

  /** Called after every change; answers how to stop. */
  onChange(listener: (event: RegistryEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** By name, then by age. What was handed out stays as it was. */
  models(): readonly ModelRegistration[] {
    return this.modelIndex.all();
  }

  functions(): readonly FunctionDefinition[] {
    return [...this.functionsByName.values()].map((entry) => entry.definition);
  }

  functionOf(name: string): FunctionDefinition | undefined {
    return this.functionsByName.get(name)?.definition;
  }

  /** Of a function that is not known: none. */
  traitsOf(name: string): FunctionTraits {
    return this.functionOf(name)?.traits ?? NO_TRAITS;
  }

  inputCheckOf(name: string): SchemaCheck | undefined {
    return this.functionsByName.get(name)?.checkInput;
  }

  /** @param target `name@version`. */
  modelOf(target: Target): ModelRegistration | undefined {
    return this.modelIndex.get(target);
  }

  /** Oldest first. */
  versionsOf(name: string): readonly ModelRegistration[] {
    return this.modelIndex.versionsOf(name);
  }

  resolveTarget(text: string): Target | undefined {
    return resolveTarget(text, this.modelIndex);
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

  private announce(event: RegistryEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}
