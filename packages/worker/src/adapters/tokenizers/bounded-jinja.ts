/**
 * Renders chat templates, which come with a model: a template may loop for ever, or build texts and
 * lists without end, in a thread that nothing can interrupt meanwhile. Each evaluation is a step,
 * and so is each value of a list that is made and each `templateStepChars` characters of a text
 * that is made; a round of a loop is `templateRoundSteps`. Beyond `maxTemplateSteps` the template
 * is refused.
 */
import { createRequire } from 'node:module';
import { ENGINE_LIMITS } from '../../engine/limits';

interface Value {
  readonly value?: unknown;
}

interface Environment {
  set(name: string, value: unknown): unknown;
}

/** A part of a template: its kind, and what a loop walks. */
interface Part {
  readonly type?: string;
  readonly iterable?: Part;
  /** Of a list with a condition: the list itself. */
  readonly lhs?: Part;
}

export interface ParsedTemplate extends Part {
  readonly body: readonly unknown[];
}

/** The part of the library in use. Its own types import files that TypeScript does not resolve. */
interface Library {
  readonly Template: new (source: string) => {
    readonly parsed: ParsedTemplate;
    render(values: Readonly<Record<string, unknown>>): string;
  };
  readonly Environment: new () => Environment;
  readonly Interpreter: new (environment: Environment) => {
    run(template: ParsedTemplate): Value;
    evaluate(part: Part | undefined, environment: Environment): Value;
  };
}

// A package of ES modules, whose CommonJS build has to be required.
const library = createRequire(__filename)('@huggingface/jinja') as Library;

/** Throws where the text is no template. */
export function parseTemplate(source: string): ParsedTemplate {
  return new library.Template(source).parsed;
}

/** Throws what the template raises, and where it takes too many steps. */
export function renderTemplate(
  template: ParsedTemplate,
  values: Readonly<Record<string, unknown>>,
): string {
  const environment = new library.Environment();
  const budget = new StepBudget();
  for (const [name, value] of Object.entries({ ...globalsWith(budget), ...values })) {
    environment.set(name, value);
  }
  return String(new BoundedInterpreter(environment, budget).run(template).value);
}

class StepBudget {
  private left: number = ENGINE_LIMITS.maxTemplateSteps;

  spend(steps: number): void {
    this.left -= steps;
    if (this.left >= 0) return;
    throw new Error(`it takes more than ${ENGINE_LIMITS.maxTemplateSteps} steps`);
  }
}

class BoundedInterpreter extends library.Interpreter {
  /** What loops walk: a walk costs steps, whoever made the list. */
  private readonly walked = new WeakSet<Part>();

  constructor(
    environment: Environment,
    private readonly budget: StepBudget,
  ) {
    super(environment);
  }

  override evaluate(part: Part | undefined, environment: Environment): Value {
    this.budget.spend(1);
    if (part === undefined) return super.evaluate(part, environment);
    const { type, iterable } = part;
    if (type === 'For' && iterable !== undefined) this.walked.add(iterable.lhs ?? iterable);
    const value = super.evaluate(part, environment);
    // A name stands for a value that was made before.
    if (this.walked.has(part)) this.budget.spend(sizeOf(value) * ENGINE_LIMITS.templateRoundSteps);
    else if (type !== 'Identifier') this.budget.spend(sizeOf(value));
    return value;
  }
}

function sizeOf({ value }: Value): number {
  if (typeof value === 'string') return Math.floor(value.length / ENGINE_LIMITS.templateStepChars);
  if (Array.isArray(value)) return value.length;
  return value instanceof Map ? value.size : 0;
}

/** As the library's own, with a `range` that makes no list beyond the budget. */
function globalsWith(budget: StepBudget): Record<string, unknown> {
  return {
    ...{ true: true, True: true, false: false, False: false, none: null, None: null },
    raise_exception: (reason: unknown) => {
      throw new Error(String(reason));
    },
    range: (first: number, stop?: number, step = 1) => {
      const [from, to] = stop === undefined ? [0, first] : [first, stop];
      const count = Math.max(0, Math.ceil((to - from) / step));
      if (step === 0 || !Number.isFinite(count)) throw new Error('range() can not be counted');
      budget.spend(count);
      return Array.from({ length: count }, (_, index) => from + index * step);
    },
    strftime_now: (format: string) =>
      new library.Template('{{ strftime_now(format) }}').render({ format }),
  };
}
