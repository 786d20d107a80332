import type { Urgency } from '@llmos/base';
import { compareUrgency } from '@llmos/base';
import type { Fed } from './step-plan';
import { planRows, planStep } from './step-plan';

const urgency = (more: Partial<Urgency> = {}): Urgency => ({
  ...{ class: 'standard', priority: 5, sequence: 1 },
  ...more,
});
const item = (name: string, more: Partial<Urgency> = {}) => ({ name, urgency: urgency(more) });
const names = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name);

const fed = (
  name: string,
  heldTokens: number,
  pendingTokens: number,
  more: Partial<Urgency> = {},
): Fed & { readonly name: string } => ({
  ...{ name, heldTokens, pendingTokens, partTokens: pendingTokens },
  urgency: urgency(more),
});
const BOUNDS = { prefillTokens: 256, sharedPrefillTokens: 64, takesParts: true, gridTokens: 1 };
const feeds = (plan: ReturnType<typeof planStep<ReturnType<typeof fed>>>) =>
  plan.feeds.map(({ item: each, tokenCount }) => [each.name, tokenCount]);

describe('urgency', () => {
  it('is by class, then priority, then age', () => {
    const sorted = [
      urgency({ class: 'interactive', priority: 0, sequence: 9 }),
      urgency({ priority: 9, sequence: 3 }),
      urgency({ sequence: 1 }),
      urgency({ sequence: 2 }),
      urgency({ class: 'batch', priority: 9, sequence: 0 }),
    ];
    expect([...sorted].reverse().sort(compareUrgency)).toEqual(sorted);
  });
});

describe('rows', () => {
  it('go to those that wait while some are free, most urgent first', () => {
    const waiting = [item('old'), item('new', { sequence: 2 }), item('first', { priority: 9 })];
    const { leave, enter } = planRows([item('a')], waiting, 3);
    expect([names(leave), names(enter)]).toEqual([[], ['first', 'old']]);
  });

  it('are taken from the least urgent of a lower class, and from nobody of the same', () => {
    const running = [
      item('batch-old', { class: 'batch' }),
      item('standard', { sequence: 8 }),
      item('batch-new', { class: 'batch', sequence: 9 }),
    ];
    const waiting = [
      item('urgent', { class: 'interactive' }),
      item('another', { sequence: 0 }),
      item('third', { sequence: 2 }),
    ];
    const { leave, enter } = planRows(running, waiting, 3);
    expect(names(leave)).toEqual(['batch-new', 'batch-old']);
    expect(names(enter)).toEqual(['urgent', 'another']);
  });

  it('stay where they are when fewer are allowed than are in use', () => {
    const running = [item('a'), item('b')];
    expect(planRows(running, [item('c')], 1)).toEqual({ leave: [], enter: [] });
  });
});

describe('a step', () => {
  it('decodes all that need one token, and feeds prompts within the budget beside them', () => {
    const running = [fed('d1', 9, 1), fed('long', 0, 500), fed('d2', 30, 1), fed('short', 0, 8)];
    const plan = planStep(running, BOUNDS);
    expect(names(plan.decode)).toEqual(['d1', 'd2']);
    expect(feeds(plan)).toEqual([['long', 64]]);
  });

  it('gives a prompt the whole budget where nobody of its class waits for a token', () => {
    expect(feeds(planStep([fed('long', 64, 500)], BOUNDS))).toEqual([['long', 256]]);
    const urgent = fed('urgent', 0, 300, { class: 'interactive', sequence: 9 });
    expect(feeds(planStep([fed('d', 9, 1), urgent], BOUNDS))).toEqual([['urgent', 256]]);
  });

  it('shares the budget by urgency, and starts no part that is hardly one', () => {
    const running = [
      fed('b', 0, 40, { sequence: 2 }),
      fed('a', 0, 50),
      fed('c', 0, 90, { sequence: 3 }),
    ];
    expect(feeds(planStep([fed('d', 9, 1), ...running], BOUNDS))).toEqual([['a', 50]]);
    expect(feeds(planStep(running, BOUNDS))).toEqual([
      ['a', 50],
      ['b', 40],
      ['c', 90],
    ]);
  });

  it('cuts prompts at multiples where parts must be alike', () => {
    const running = [fed('a', 0, 50), fed('b', 0, 300, { sequence: 2 })];
    const bounds = { ...BOUNDS, gridTokens: 64 };
    expect(feeds(planStep(running, bounds))).toEqual([
      ['a', 50],
      ['b', 192],
    ]);
    expect(feeds(planStep([fed('d', 9, 1), fed('a', 0, 30), ...running], bounds))).toEqual([
      ['a', 30],
    ]);
  });

  it('cuts no prompt that must be fed whole', () => {
    const plan = planStep([fed('long', 0, 500), fed('d', 9, 1)], { ...BOUNDS, takesParts: false });
    expect(feeds(plan)).toEqual([['long', 500]]);
  });

  it('feeds a prompt of one token before it decodes', () => {
    const plan = planStep([fed('one', 0, 1)], BOUNDS);
    expect([feeds(plan), plan.decode]).toEqual([[['one', 1]], []]);
  });
});
