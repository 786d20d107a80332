/** What a seed stands for: the faults of its world and the work that its clients bring. */
import type { Random } from '@llmos/base';

export interface Faults {
  /** Shares of mailbox and report messages. */
  readonly dropRate: number;
  readonly lateRate: number;
  readonly doubleRate: number;
  readonly failedLoadRate: number;
  /** Share of (node, model) whose loads fail for good. */
  readonly hopelessLoadRate: number;
  /** Share of nodes that most loads fail on. */
  readonly sickNodeRate: number;
  readonly hostDeaths: number;
  readonly nodeDeaths: number;
  readonly nodePauses: number;
  readonly streamCuts: number;
  /** The leader's connection breaks: what it is given and acknowledges meanwhile is lost. */
  readonly intakeBreaks: number;
  /** Share of requests to the stores whose answer comes long after what they did. */
  readonly slowStoreRate: number;
  /** How long a message stands in line before it is delivered. */
  readonly lineMs: number;
  readonly takeovers: number;
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
  readonly faults: Faults;
  readonly cancelRate: number;
  /** Of tasks that a kernel stores itself, and so knows of before they are delivered. */
  readonly callRate: number;
  readonly duplicateRate: number;
  readonly poisonRate: number;
  readonly deadlineRate: number;
  /** Share of long generations, which fill their model's permits and make room for each other. */
  readonly generationRate: number;
}

export const NO_FAULTS: Faults = {
  dropRate: 0,
  lateRate: 0,
  doubleRate: 0,
  failedLoadRate: 0,
  hopelessLoadRate: 0,
  sickNodeRate: 0,
  hostDeaths: 0,
  nodeDeaths: 0,
  nodePauses: 0,
  streamCuts: 0,
  intakeBreaks: 0,
  slowStoreRate: 0,
  lineMs: 0,
  takeovers: 0,
  kills: 0,
  spawns: 0,
  removals: 0,
  forgedEpochs: 0,
};

export function chooseScenario(random: Random): Scenario {
  const pick = <T>(choices: readonly T[]): T => choices[random.below(choices.length)] as T;
  return {
    taskCount: 20 + random.below(30),
    activeMs: 15_000 + random.below(15_000),
    nodeCount: 1 + random.below(3),
    faults: {
      dropRate: pick([0, 0.05, 0.1, 0.3]),
      lateRate: pick([0, 0.03, 0.1]),
      doubleRate: pick([0, 0.05, 0.2]),
      failedLoadRate: pick([0, 0.1, 0.3]),
      hopelessLoadRate: pick([0, 0, 0.3]),
      sickNodeRate: pick([0, 0, 0.5]),
      hostDeaths: random.below(5),
      nodeDeaths: random.below(3),
      nodePauses: random.below(3),
      streamCuts: random.below(3),
      intakeBreaks: random.below(4),
      slowStoreRate: pick([0, 0.1, 0.3]),
      lineMs: pick([0, 0, 100, 3_000]),
      takeovers: random.below(3),
      kills: random.below(2),
      spawns: random.below(4),
      removals: random.below(2),
      forgedEpochs: random.below(4),
    },
    cancelRate: pick([0, 0.1]),
    callRate: pick([0, 0.3, 1]),
    duplicateRate: pick([0, 0.1]),
    poisonRate: pick([0, 0.03, 0.08]),
    deadlineRate: pick([0, 0.15]),
    generationRate: pick([0, 0, 0.7]),
  };
}

/** The scenario of the acceptance test: one message in ten is lost, 300 tasks. */
export const LOSSY_300: Scenario = {
  taskCount: 300,
  activeMs: 20_000,
  nodeCount: 2,
  faults: { ...NO_FAULTS, dropRate: 0.1 },
  cancelRate: 0,
  callRate: 0,
  duplicateRate: 0,
  poisonRate: 0,
  deadlineRate: 0,
  generationRate: 0,
};
