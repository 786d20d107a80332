/** Who has a row, and what one step feeds to whom. Pure. */
import type { Urgency } from '@llmos/base';
import { classRank, compareUrgency } from '@llmos/base';

export interface Urgent {
  readonly urgency: Urgency;
}

export interface RowPlan<Item> {
  /** Give their row back, and wait. */
  readonly leave: readonly Item[];
  /** Get a row, most urgent first. */
  readonly enter: readonly Item[];
}

/**
 * Free rows go to those that wait, most urgent first. Where none is free, one that waits takes the
 * row of the least urgent one of a lower class; within a class nobody is switched out.
 */
export function planRows<Item extends Urgent>(
  running: readonly Item[],
  waiting: readonly Item[],
  maxRows: number,
): RowPlan<Item> {
  if (waiting.length === 0) return { leave: [], enter: [] };
  const victims = [...running].sort((a, b) => compareUrgency(b.urgency, a.urgency));
  const leave: Item[] = [];
  const enter: Item[] = [];
  for (const item of [...waiting].sort((a, b) => compareUrgency(a.urgency, b.urgency))) {
    if (running.length - leave.length + enter.length >= maxRows) {
      const victim = victims[leave.length];
      if (victim === undefined || !isOfLowerClass(victim, item)) break;
      leave.push(victim);
    }
    enter.push(item);
  }
  return { leave, enter };
}

export interface Fed extends Urgent {
  /** Tokens whose keys and values its row holds. */
  readonly heldTokens: number;
  /** Tokens that it has beyond those; at least one. */
  readonly pendingTokens: number;
  /** Of these, what one run may be given. */
  readonly partTokens: number;
}

export interface StepBounds {
  /** Tokens of prompts in one step: alone, and where others wait for their next token. */
  readonly prefillTokens: number;
  readonly sharedPrefillTokens: number;
  /** Whether a prompt may be fed in parts, and what a part is a multiple of unless it is the rest. */
  readonly takesParts: boolean;
  readonly gridTokens: number;
}

export interface StepPlan<Item> {
  readonly feeds: readonly { readonly item: Item; readonly tokenCount: number }[];
  /** Those that get their next token from one run over them all. */
  readonly decode: readonly Item[];
}

/** A run costs about as much as these many tokens, however few it is given. */
const LEAST_FEED_TOKENS = 16;

/** All that need only their last token fed decode; prompts share the budget, most urgent first. */
export function planStep<Item extends Fed>(
  running: readonly Item[],
  bounds: StepBounds,
): StepPlan<Item> {
  const decode = running.filter((item) => item.pendingTokens === 1 && item.heldTokens > 0);
  if (decode.length === running.length) return { feeds: [], decode };
  const prompts = running
    .filter((item) => item.pendingTokens > 1 || item.heldTokens === 0)
    .sort((a, b) => compareUrgency(a.urgency, b.urgency));
  const [first] = prompts;
  const isPressing = first !== undefined && decode.every((item) => isOfLowerClass(item, first));
  let budget = isPressing ? bounds.prefillTokens : bounds.sharedPrefillTokens;
  const feeds: { item: Item; tokenCount: number }[] = [];
  for (const item of prompts) {
    const isFragment = budget < LEAST_FEED_TOKENS && budget < item.partTokens;
    if (budget <= 0 || isFragment) break;
    const tokenCount = bounds.takesParts ? partOf(item, budget, bounds) : item.partTokens;
    if (tokenCount === 0) break;
    feeds.push({ item, tokenCount });
    budget -= Math.max(tokenCount, LEAST_FEED_TOKENS);
  }
  return { feeds, decode };
}

function partOf({ partTokens }: Fed, budget: number, { gridTokens }: StepBounds): number {
  return partTokens <= budget ? partTokens : budget - (budget % gridTokens);
}

function isOfLowerClass(item: Urgent, than: Urgent): boolean {
  return classRank(item.urgency.class) > classRank(than.urgency.class);
}
