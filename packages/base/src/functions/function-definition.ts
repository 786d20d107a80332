/**
 * A function of the system, and what it is like while it runs.
 *
 * Whoever schedules, runs, stores or shows tasks asks for traits and never for a name: kernel,
 * process and worker treat two functions of the same traits alike. A function that nobody knows has
 * none of them, which is always safe.
 */
import type { JsonSchema } from './json-schema';

/** What follows from each trait holds everywhere, for functions that ship and all others. */
export interface FunctionTraits {
  /**
   * What it makes can be read while it is made. Where a task asks for that (`Llmos-Stream`), its
   * chunks are stored as they come, and readers may attach; without this trait nothing is.
   */
  readonly streams: boolean;
  /**
   * An attempt goes on from what those before it have stored. So the process reads that before the
   * second and each later attempt, whether the task asked for a stream or not.
   */
  readonly resumable: boolean;
  /**
   * A request that runs can be asked back between two of its steps, and says what it has so far. So
   * the kernel asks it back where more urgent work waits, and a process that drains gives it back
   * instead of running it to its end. It is resumable too: else each time would begin anew.
   */
  readonly preemptible: boolean;
  /**
   * A request holds a row of the process, of keys and values, from its first step to its last, and
   * joins those that run in the same model runs. So a host runs it in one thread, keeps the rows on
   * the device of the model, and may grow by them.
   */
  readonly keepsRows: boolean;
  /**
   * Requests share runs of the model, and take several of them where they are long. So one waits a
   * moment for others, and what is more urgent comes in between two runs; without this trait a
   * request is one run, however long, and bulk must not have every thread.
   */
  readonly batches: boolean;
}

/** Its name, what it takes and answers, and what runs it. */
export interface FunctionDefinition {
  readonly name: string;
  readonly description: string;
  readonly input: JsonSchema;
  readonly output: JsonSchema;
  /** `model`: a process that holds the model named by the input; `program`: a built-in process. */
  readonly runs: 'model' | 'program';
  readonly traits: FunctionTraits;
}

/** Of what nobody knows, and of whatever a definition leaves out. */
export const NO_TRAITS: FunctionTraits = {
  streams: false,
  resumable: false,
  preemptible: false,
  keepsRows: false,
  batches: false,
};

/** How whoever holds definitions tells what a function is like. */
export type TraitsOf = (functionName: string) => FunctionTraits;

export function traitsIn(definitions: readonly FunctionDefinition[]): TraitsOf {
  const byName = new Map(definitions.map(({ name, traits }) => [name, traits]));
  return (name) => byName.get(name) ?? NO_TRAITS;
}
