import { EDGE_LIMITS } from '../edge-limits';
import type { IntakeFacts } from './intake-gate';
import { mayTakeIn } from './intake-gate';

const open: IntakeFacts = {
  opening: { interactive: true, standard: true, batch: true },
  isSuspended: false,
  isReadingBacklog: false,
  waitingRequests: 0,
};

it('takes in what nothing keeps out', () => {
  expect(mayTakeIn('batch', open)).toBe(true);
});

it.each<[string, Partial<IntakeFacts>]>([
  ['the class is closed', { opening: { interactive: false, standard: true, batch: true } }],
  ['the lease has lapsed', { isSuspended: true }],
  ['its requests stand in line', { waitingRequests: EDGE_LIMITS.maxWaitingStoreRequests }],
])('takes in nothing while %s', (_why, facts) => {
  expect(mayTakeIn('interactive', { ...open, ...facts })).toBe(false);
});

it('lets callers not wait for what a new leader reads, and all others', () => {
  const facts = { ...open, isReadingBacklog: true };
  expect([mayTakeIn('interactive', facts), mayTakeIn('standard', facts)]).toEqual([true, false]);
});
