/** Figures of the rounds of one model. Pure. */
import type { Figure, Goal } from './figures';
import { figureOf, ratios } from './figures';
import type { GenerateAnswer } from './generate-child';
import { quantile } from './growth';

export const CALLERS = [1, 4, 16] as const;
export type Callers = (typeof CALLERS)[number];

/** What one round gave. */
export interface GenerateRound {
  readonly llmos: Readonly<Record<Callers, GenerateAnswer>>;
  readonly plain: GenerateAnswer;
  readonly transformers: GenerateAnswer;
  /** Absent where llama.cpp can't be had. */
  readonly llama?: Readonly<Record<Callers, GenerateAnswer>>;
  /** Of the time of llmos's steps, the part outside the model's runs, in percent. */
  readonly outsidePercent: number;
  /** Of llmos's tokens, those that were guessed and verified several in one run, in percent. */
  readonly guessedPercent: number;
}

export interface PeakBytes {
  readonly llmos: number;
  readonly plain: number;
  readonly transformers: number;
  readonly llama?: number;
}

export interface ModelGoals {
  readonly overPlain?: number;
  readonly overTransformers?: number;
  readonly outsidePercent?: number;
}

export interface ModelResult {
  /** As in the figures' names. */
  readonly label: string;
  readonly rounds: readonly GenerateRound[];
  readonly peaks: PeakBytes;
  readonly goals: ModelGoals;
}

export function tokensPerSecond({ generations, durationMs }: GenerateAnswer): number {
  return (1000 * generations.reduce((sum, { tokens }) => sum + tokens.length, 0)) / durationMs;
}

export function firstTokenMs({ generations }: GenerateAnswer): number {
  return quantile(
    generations.map(({ arrivalsMs }) => arrivalsMs[0] ?? Number.NaN),
    0.5,
  );
}

/** Between the tokens of a generation; several that come together share the time evenly. */
export function gapsMs({ generations }: GenerateAnswer): number[] {
  return generations.flatMap(({ arrivalsMs }) => {
    const gaps: number[] = [];
    for (let at = 0, end = 0; at < arrivalsMs.length; at = end) {
      while (end < arrivalsMs.length && arrivalsMs[end] === arrivalsMs[at]) end += 1;
      const gap = (arrivalsMs[at] ?? 0) - (arrivalsMs[at - 1] ?? 0);
      if (at > 0) gaps.push(...new Array<number>(end - at).fill(gap / (end - at)));
    }
    return gaps;
  });
}

type Pick = (round: GenerateRound) => GenerateAnswer | undefined;

export function figuresOfModel(result: ModelResult): readonly Figure[] {
  return [
    ...ratioFigures(result),
    ...rateFigures(result),
    ...timeFigures(result),
    ...memoryFigures(result),
  ];
}

/** The arrangements: what they are called, and where their answers are. */
function arrangements(): readonly (readonly [name: string, pick: Pick])[] {
  return [
    ...CALLERS.map((count): [string, Pick] => [
      `generate at ${count}`,
      ({ llmos }) => llmos[count],
    ]),
    ['plain loop', ({ plain }) => plain],
    ['transformers.js', ({ transformers }) => transformers],
    ...CALLERS.map((count): [string, Pick] => [
      `llama.cpp at ${count}`,
      (round) => round.llama?.[count],
    ]),
  ];
}

function valuesOf(
  { rounds }: ModelResult,
  pick: Pick,
  measure: (answer: GenerateAnswer) => number,
): number[] {
  return rounds
    .map(pick)
    .filter((answer) => answer !== undefined)
    .map(measure);
}

function ratioFigures(result: ModelResult): Figure[] {
  const { label, goals } = result;
  const rate = (pick: Pick): number[] => valuesOf(result, pick, tokensPerSecond);
  const ratio = (name: string, above: Pick, below: Pick, goal?: number): Figure[] => {
    const divisors = rate(below);
    if (divisors.length === 0) return [];
    const rounds = ratios(rate(above), divisors);
    return [figureOf({ name, unit: '×', rounds, ...atLeast(goal) })];
  };
  const at =
    (count: Callers): Pick =>
    (round) =>
      round.llmos[count];
  const llamaAt =
    (count: Callers): Pick =>
    (round) =>
      round.llama?.[count];
  // The first name is the one that goals are known by.
  const overPlain = 'generate throughput at 1 / plain loop';
  const outside = `engine time outside run, ${label}`;
  const percents = result.rounds.map(({ outsidePercent }) => outsidePercent);
  const mostPercent: { goal?: Goal } =
    goals.outsidePercent === undefined
      ? {}
      : { goal: { kind: 'at-most', value: goals.outsidePercent } };
  return [
    ...ratio(
      label === MAIN_LABEL ? overPlain : `${overPlain}, ${label}`,
      at(1),
      ({ plain }) => plain,
      goals.overPlain,
    ),
    ...ratio(
      `generate throughput at 16 / transformers.js, ${label}`,
      at(16),
      ({ transformers }) => transformers,
      goals.overTransformers,
    ),
    ...CALLERS.flatMap((count) =>
      ratio(`generate throughput at ${count} / llama.cpp, ${label}`, at(count), llamaAt(count)),
    ),
    figureOf({ name: outside, unit: '%', rounds: percents, ...mostPercent }),
    figureOf({
      name: `tokens guessed from the text before, ${label}`,
      unit: '%',
      rounds: result.rounds.map(({ guessedPercent }) => guessedPercent),
    }),
  ];
}

/** The model whose figures have the shortest names. */
export const MAIN_LABEL = '100M';

function atLeast(value: number | undefined): { goal?: Goal } {
  return value === undefined ? {} : { goal: { kind: 'at-least', value } };
}

function rateFigures(result: ModelResult): Figure[] {
  return arrangements().flatMap(([name, pick]) => {
    const rounds = valuesOf(result, pick, tokensPerSecond);
    if (rounds.length === 0) return [];
    return [figureOf({ name: `${name}, ${result.label}`, unit: 'tokens/s', rounds })];
  });
}

function timeFigures(result: ModelResult): Figure[] {
  const { label } = result;
  return arrangements().flatMap(([name, pick]) => {
    const time = (what: string, measure: (answer: GenerateAnswer) => number): Figure =>
      figureOf({
        name: `${name}: ${what}, ${label}`,
        unit: 'ms',
        rounds: valuesOf(result, pick, measure),
      });
    if (valuesOf(result, pick, tokensPerSecond).length === 0) return [];
    return [
      time('first token', firstTokenMs),
      time('between tokens p50', (answer) => quantile(gapsMs(answer), 0.5)),
      time('between tokens p99', (answer) => quantile(gapsMs(answer), 0.99)),
    ];
  });
}

function memoryFigures({ label, peaks }: ModelResult): Figure[] {
  const names = { llmos: 'the process', plain: 'plain loop', transformers: 'transformers.js' };
  return Object.entries({ ...names, llama: 'llama.cpp' }).flatMap(([key, name]) => {
    const bytes = peaks[key as keyof PeakBytes];
    if (bytes === undefined) return [];
    const rounds = [bytes / 1024 ** 2];
    return [figureOf({ name: `peak memory of ${name}, ${label}`, unit: 'MiB', rounds })];
  });
}
