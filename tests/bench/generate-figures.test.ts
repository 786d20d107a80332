import type { GenerateAnswer } from './generate-child';
import type { GenerateRound } from './generate-figures';
import {
  figuresOfModel,
  firstTokenMs,
  gapsMs,
  MAIN_LABEL,
  tokensPerSecond,
} from './generate-figures';

function answerOf(arrivalsMs: readonly number[], durationMs: number): GenerateAnswer {
  const tokens = arrivalsMs.map((_, index) => index);
  return { generations: [{ tokens, arrivalsMs }], durationMs };
}

const FAST = answerOf([10, 20, 30, 40], 40);
const SLOW = answerOf([20, 40, 60, 80], 80);
const ROUND: GenerateRound = {
  llmos: { 1: FAST, 4: FAST, 16: FAST },
  plain: SLOW,
  transformers: SLOW,
  outsidePercent: 4,
  guessedPercent: 0,
};
const PEAKS = { llmos: 2 ** 20, plain: 2 ** 21, transformers: 2 ** 22 };

it('tokens that come together share the time since those before evenly', () => {
  expect(gapsMs(answerOf([10, 30, 30, 35], 35))).toEqual([10, 10, 5]);
});

it('rate and first token are those of all generations of an answer', () => {
  expect(tokensPerSecond(FAST)).toBe(100);
  expect(firstTokenMs(SLOW)).toBe(20);
});

it('the figures that goals are set for have their names, and llama.cpp is left out if absent', () => {
  const goals = { overPlain: 0.9, overTransformers: 2.5, outsidePercent: 10 };
  const figures = figuresOfModel({ label: MAIN_LABEL, rounds: [ROUND], peaks: PEAKS, goals });
  const promised = figures.filter(({ goal }) => goal !== null);
  expect(promised.map(({ name, unit, value }) => [name, unit, value])).toEqual([
    ['generate throughput at 1 / plain loop', '×', 2],
    ['generate throughput at 16 / transformers.js, 100M', '×', 2],
    ['engine time outside run, 100M', '%', 4],
  ]);
  expect(promised.map(({ holds }) => holds)).toEqual([true, false, true]);
  expect(figures.some(({ name }) => name.includes('llama.cpp'))).toBe(false);
});
