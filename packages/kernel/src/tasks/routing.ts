/** Which model or program serves a task. Pure: the same catalog gives the same answer. */
import type { ErrorBody, FunctionDefinition, Target } from '@llmos/base';
import {
  errorBody,
  formatModelRef,
  functionsServedBy,
  programTarget,
  quoteShort,
} from '@llmos/base';
import { CORE_LIMITS } from '../limits';
import { serves, type Catalog } from './catalog';
import { targetOf } from './model-index';
import { PROGRAM_NAMES, isProgram } from './target-resolution';
import type { TaskSpec } from './task-spec';

type RefusalCode = 'NOT_FOUND' | 'INVALID_ARGUMENT' | 'UNIMPLEMENTED';

export type RoutingOutcome =
  | { readonly kind: 'routed'; readonly target: Target }
  | { readonly kind: 'refused'; readonly error: ErrorBody };

/** The catalog must be known. */
export function chooseTarget(spec: TaskSpec, catalog: Catalog): RoutingOutcome {
  const definition = catalog.function(spec.function);
  if (definition === undefined) {
    const known = listNames(catalog.functionNames());
    return refused('NOT_FOUND', `function ${quoteShort(spec.function)} is not known; ${known}`);
  }
  if (definition.runs === 'program') return chooseProgram(definition);
  return spec.model === undefined
    ? chooseOnlyModel(definition, catalog)
    : chooseNamedModel(definition, formatModelRef(spec.model), catalog, spec);
}

/** It has one process for everyone; a model that is named anyway means nothing to it. */
function chooseProgram({ name }: FunctionDefinition): RoutingOutcome {
  if (isProgram(name)) return { kind: 'routed', target: programTarget(name) };
  const message =
    `function ${quoteShort(name)} runs in a program of its own, which no node can start; ` +
    listNames(PROGRAM_NAMES);
  return refused('UNIMPLEMENTED', message);
}

function chooseNamedModel(
  definition: FunctionDefinition,
  name: string,
  catalog: Catalog,
  spec: TaskSpec,
): RoutingOutcome {
  const model = spec.model === undefined ? undefined : catalog.resolve(spec.model);
  if (model === undefined) {
    return refused('NOT_FOUND', `model ${quoteShort(name)} is not registered`);
  }
  if (serves(model, definition.name)) return { kind: 'routed', target: targetOf(model) };
  const message =
    `model ${quoteShort(targetOf(model))} does not serve ${definition.name}: ` +
    `it serves ${functionsServedBy(model.manifest.task).join(' and ')}`;
  return refused('INVALID_ARGUMENT', message);
}

function chooseOnlyModel(definition: FunctionDefinition, catalog: Catalog): RoutingOutcome {
  const choices = catalog.newestServing(definition.name);
  const [only] = choices;
  if (only !== undefined && choices.length === 1) return { kind: 'routed', target: targetOf(only) };
  const names = listNames(
    choices.slice(0, CORE_LIMITS.maxListedNames).map((model) => model.name),
    choices.length,
  );
  return refused('INVALID_ARGUMENT', `${definition.name} needs a model; ${names}`);
}

/** @param names the first of them, or all. */
function listNames(names: readonly string[], count = names.length): string {
  if (names.length === 0) return 'none is registered';
  const shown = names.slice(0, CORE_LIMITS.maxListedNames).join(', ');
  const more = count - CORE_LIMITS.maxListedNames;
  return `known: ${shown}${more > 0 ? ` and ${more} more` : ''}`;
}

function refused(code: RefusalCode, message: string): RoutingOutcome {
  return { kind: 'refused', error: errorBody(code, message) };
}
