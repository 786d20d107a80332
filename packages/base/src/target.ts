/**
 * What a process runs, and what a routed task waits for: one version of a model, or a program.
 *
 * A target is opaque to whoever schedules: it is compared and counted, and told apart by this file
 * alone. Its text, `NAME@VERSION` or the name of a program, is what people read and what crosses
 * wires; the two can't be confused, because no program has an `@` in its name. What a caller writes
 * is no target: a name without a version means another one once a newer version is there.
 */
import type { Branded, FunctionName } from './ids';
import { isToken, quoteShort } from './ids';
import { formatModelRef, parseModelRef } from './model-ref';

export type Target = Branded<string, 'Target'>;

/** What a target is of. */
export type TargetOf =
  | { readonly kind: 'model'; readonly name: string; readonly version: string }
  | { readonly kind: 'program'; readonly function: FunctionName };

export function modelTarget(of: { readonly name: string; readonly version: string }): Target {
  const { name, version } = of;
  return formatModelRef({ name, version }) as Target;
}

/** @param functionName of a function that runs in a program of its own. */
export function programTarget(functionName: string): Target {
  return functionName as Target;
}

/** Undefined where the text, which came from somewhere else, is none. */
export function parseTarget(text: unknown): Target | undefined {
  const isTarget = isToken(text) || parseModelRef(text)?.version !== undefined;
  return isTarget ? (text as Target) : undefined;
}

/** Throws a TypeError that quotes the (shortened) text where it is none. */
export function asTarget(text: unknown): Target {
  const target = parseTarget(text);
  if (target !== undefined) return target;
  throw new TypeError(`target ${quoteShort(text)} must be NAME@VERSION or the name of a program`);
}

export function readTarget(target: Target): TargetOf {
  const { name, version } = parseModelRef(target) ?? {};
  return name === undefined || version === undefined
    ? { kind: 'program', function: target as string as FunctionName }
    : { kind: 'model', name, version };
}
