import type { JsonSchema } from './json-schema';

/** A function of the system: its name, what it takes and answers, and what runs it. */
export interface FunctionDefinition {
  readonly name: string;
  readonly description: string;
  readonly input: JsonSchema;
  readonly output: JsonSchema;
  /** `model`: a process that holds the model named by the input; `program`: a built-in process. */
  readonly runs: 'model' | 'program';
}
