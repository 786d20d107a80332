/** What a seed stands for: the faults of its world and the work that its clients bring. */
import type { Random } from '@llmos/base';

export interface Faults {
  /** Shares of messages of core NATS: orders, reports, acknowledgements. */
  readonly dropRate: number;
  readonly lateRate: number;
  readonly doubleRate: number;
  /** Shares of requests to the stores: never there; done, and the answer lost; seconds slow. */
  readonly lostRequestRate: number;
  readonly lostAnswerRate: number;
  readonly slowStoreRate: number;
  /** A stream answers nothing for a while. */
  readonly storesAway: number;
  /** The results take nothing new for a while. */
  readonly fullStores: number;
  readonly failedLoadRate: number;
  /** Share of (node, model) whose loads fail for good. */
  readonly hopelessLoadRate: number;
  /** Share of nodes that most loads fail on. */
  readonly sickNodeRate: number;
  readonly processDeaths: number;
  readonly nodeDeaths: number;
  readonly nodePauses: number;
  readonly kernelPauses: number;
  readonly streamCuts: number;
  /** The leader's connection breaks: what it is given and acknowledges meanwhile is lost. */
  readonly intakeBreaks: number;
  /** How long a message stands in line before it is delivered. */
  readonly lineMs: number;
  readonly takeovers: number;
  /** The lease lapses and is regained. */
  readonly lapses: number;
  /** Wall clocks of machines are wrong by up to so much. */
  readonly clockSkewMs: number;
  /** A wall clock is set. */
  readonly clockJumps: number;
  readonly kills: number;
  /** Changes of the wanted replicas. */
  readonly spawns: number;
  /** A model is removed, and registered again later. */
  readonly removals: number;
  /** Someone else sends all processes of a node commands with an epoch that no leader had. */
  readonly forgedEpochs: number;
}

export interface Scenario {
  readonly taskCount: number;
  /** Faults and new work end then. */
  readonly activeMs: number;
  readonly nodeCount: number;
  /** Beside the few that every world has. */
  readonly modelCount: number;
  readonly faults: Faults;
  readonly cancelRate: number;
  /** Of tasks that a kernel stores itself, and so knows of before they are delivered. */
  readonly callRate: number;
  readonly duplicateRate: number;
  /** Of ids that a client uses a second time, for another task. */
  readonly clashRate: number;
  readonly poisonRate: number;
  readonly deadlineRate: number;
  /** Of tasks that run one after the other, in so many lines. */
  readonly keyRate: number;
  readonly keyCount: number;
  /** Of tasks whose result is larger than a message may be. */
  readonly bigAnswerRate: number;
  /** Share of long generations, which fill their model's permits and make room for each other. */
  readonly generationRate: number;
}

export const NO_FAULTS: Faults = {
  dropRate: 0,
  lateRate: 0,
  doubleRate: 0,
  lostRequestRate: 0,
  lostAnswerRate: 0,
  slowStoreRate: 0,
  storesAway: 0,
  fullStores: 0,
  failedLoadRate: 0,
  hopelessLoadRate: 0,
  sickNodeRate: 0,
  processDeaths: 0,
  nodeDeaths: 0,
  nodePauses: 0,
  kernelPauses: 0,
  streamCuts: 0,
  intakeBreaks: 0,
  lineMs: 0,
  takeovers: 0,
  lapses: 0,
  clockSkewMs: 0,
  clockJumps: 0,
  kills: 0,
  spawns: 0,
  removals: 0,
  forgedEpochs: 0,
};

/** Every so many-th seed is a world of many models: it takes as long as some others together. */
const MANY_MODELS_EVERY = 100;

export function chooseScenario(random: Random, seed: number): Scenario {
  return seed % MANY_MODELS_EVERY === 0 ? manyModels(random) : fewModels(random);
}

function fewModels(random: Random): Scenario {
  return {
    taskCount: 20 + random.below(30),
    activeMs: 15_000 + random.below(15_000),
    nodeCount: 1 + random.below(3),
    modelCount: 0,
    faults: chooseFaults(random),
    ...chooseWork(random),
  };
}

function chooseFaults(random: Random): Faults {
  const pick = <T>(choices: readonly T[]): T => choices[random.below(choices.length)] as T;
  return {
    dropRate: pick([0, 0.05, 0.1, 0.3]),
    lateRate: pick([0, 0.03, 0.1]),
    doubleRate: pick([0, 0.05, 0.2]),
    lostRequestRate: pick([0, 0, 0.05]),
    lostAnswerRate: pick([0, 0.05, 0.2]),
    slowStoreRate: pick([0, 0.1, 0.3]),
    storesAway: pick([0, 0, 1, 2]),
    fullStores: pick([0, 0, 0, 1]),
    failedLoadRate: pick([0, 0.1, 0.3]),
    hopelessLoadRate: pick([0, 0, 0.3]),
    sickNodeRate: pick([0, 0, 0.5]),
    processDeaths: random.below(5),
    nodeDeaths: random.below(3),
    nodePauses: random.below(3),
    kernelPauses: random.below(2),
    streamCuts: random.below(3),
    intakeBreaks: random.below(4),
    lineMs: pick([0, 0, 100, 3_000]),
    takeovers: random.below(3),
    lapses: random.below(2),
    clockSkewMs: pick([0, 0, 5_000, 3_600_000]),
    clockJumps: random.below(3),
    kills: random.below(2),
    spawns: random.below(4),
    removals: random.below(2),
    forgedEpochs: random.below(4),
  };
}

function chooseWork(random: Random) {
  const pick = <T>(choices: readonly T[]): T => choices[random.below(choices.length)] as T;
  return {
    cancelRate: pick([0, 0.1]),
    callRate: pick([0, 0.3, 1]),
    duplicateRate: pick([0, 0.1]),
    clashRate: pick([0, 0.1]),
    poisonRate: pick([0, 0.03, 0.08]),
    deadlineRate: pick([0, 0.15]),
    keyRate: pick([0.3, 0.3, 0.9]),
    keyCount: pick([1, 3]),
    bigAnswerRate: pick([0, 0, 0.1]),
    generationRate: pick([0, 0, 0.7]),
  };
}

const QUIET_WORK = {
  cancelRate: 0,
  callRate: 0,
  duplicateRate: 0,
  clashRate: 0,
  poisonRate: 0,
  deadlineRate: 0,
  keyRate: 0.3,
  keyCount: 3,
  bigAnswerRate: 0,
  generationRate: 0,
};

/** The scenario of the acceptance test: one message in ten is lost, 300 tasks. */
export const LOSSY_300: Scenario = {
  taskCount: 300,
  activeMs: 20_000,
  nodeCount: 2,
  modelCount: 0,
  faults: { ...NO_FAULTS, dropRate: 0.1 },
  ...QUIET_WORK,
};

/** Many models on many nodes: a few tasks, each for another one, some for what fits nowhere. */
export function manyModels(random: Random): Scenario {
  return {
    ...fewModels(random),
    taskCount: 60,
    activeMs: 8_000,
    nodeCount: 50,
    modelCount: 500,
    poisonRate: 0.03,
  };
}
