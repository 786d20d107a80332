/**
 * Which target a name means: the one rule, for tasks, spawn requests and system calls alike.
 *
 * A name is that of a program, of a model (its newest version), or `NAME@VERSION`. A program comes
 * first: a model of the same name is reached by its version.
 */
import type { ModelRef, ModelRegistration, Target } from '@llmos/base';
import { BUILT_IN_FUNCTIONS, modelTarget, parseModelRef, programTarget } from '@llmos/base';
import { targetOf, type ModelIndex } from './model-index';

export type KnownModels = Pick<ModelIndex, 'get' | 'newestOf'>;

/**
 * The programs that a kernel can have started, which are those that every node carries. A function
 * that someone else has defined as a program has none, so nothing may wait for it.
 */
const PROGRAMS: ReadonlySet<string> = new Set(
  BUILT_IN_FUNCTIONS.filter(({ runs }) => runs === 'program').map(({ name }) => name),
);

export const PROGRAM_NAMES: readonly string[] = [...PROGRAMS];

export function isProgram(name: string): boolean {
  return PROGRAMS.has(name);
}

export function resolveTarget(text: string, models: KnownModels): Target | undefined {
  if (isProgram(text)) return programTarget(text);
  const ref = parseModelRef(text);
  const model = ref === undefined ? undefined : resolveModel(ref, models);
  return model === undefined ? undefined : targetOf(model);
}

/** A name without a version means the newest one. */
export function resolveModel(ref: ModelRef, models: KnownModels): ModelRegistration | undefined {
  const { name, version } = ref;
  return version === undefined ? models.newestOf(name) : models.get(modelTarget({ name, version }));
}
