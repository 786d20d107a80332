import { EDGE_LIMITS } from '../edge-limits';
import { openingFor } from './intake-opening';
import { CORE_LIMITS } from '../limits';

const { urgentHeldTasks, maxWaitingEvents } = EDGE_LIMITS;
const quiet = {
  heldTasks: 0,
  maxHeldTasks: 1_000,
  heldBytes: 0,
  maxHeldBytes: 1_000_000,
  waitingEvents: 0,
  hasResultRoom: true,
};
const ALL = { interactive: true, standard: true, batch: true };

it('takes in everything while there is room', () => {
  expect(openingFor(quiet)).toEqual(ALL);
});

it('lets batch wait first where many tasks are held, and interactive last', () => {
  expect(openingFor({ ...quiet, heldTasks: 1_000 })).toEqual({ ...ALL, batch: false });
  const heldTasks = 1_000 + urgentHeldTasks;
  expect(openingFor({ ...quiet, heldTasks })).toEqual({ ...ALL, batch: false, standard: false });
  expect(openingFor({ ...quiet, heldTasks: heldTasks + urgentHeldTasks }).interactive).toBe(false);
});

it('lets batch wait first where few tasks are held that weigh much, and interactive last', () => {
  const heldBytes = 1_000_000;
  expect(openingFor({ ...quiet, heldBytes })).toEqual({ ...ALL, batch: false });
  const more = heldBytes + urgentHeldTasks * CORE_LIMITS.heldTaskBytes;
  expect(openingFor({ ...quiet, heldBytes: more })).toMatchObject({ standard: false });
  expect(openingFor({ ...quiet, heldBytes: more }).interactive).toBe(true);
  expect(openingFor({ ...quiet, heldBytes: 2 * more - heldBytes }).interactive).toBe(false);
});

it('lets batch wait first where the loop is behind', () => {
  const waitingEvents = maxWaitingEvents;
  expect(openingFor({ ...quiet, waitingEvents })).toEqual({ ...ALL, batch: false });
});

it('takes nothing in while results have no room', () => {
  const none = { interactive: false, standard: false, batch: false };
  expect(openingFor({ ...quiet, hasResultRoom: false })).toEqual(none);
});
