/** Tasks that ran together when a thread of their process ran out of memory, and the process after. */
import { errorBody } from '@llmos/base';
import type { CoreFixture } from '../core-fixture';
import { runningCore } from '../core-fixture';
import type { ProcessAddress } from '../kernel-decision';

const TOO_MUCH = errorBody('RESOURCE_EXHAUSTED', 'one of 2 needs more than 1000 bytes');
const suspect = { kind: 'failed', error: TOO_MUCH, isSuspect: true } as const;
const left = {
  kind: 'exited',
  reason: 'stopped',
  message: 'out of memory',
  isRetryable: true,
} as const;

function twoTogether(maxAttempts = 1) {
  const core = runningCore();
  core.store(core.task({ maxAttempts }), core.task({ maxAttempts }));
  const [to] = core.startAll();
  if (to === undefined) throw new Error('nothing was started');
  return { core, to, executes: core.take('execute') };
}

/** What it was sent until it left, it did not take. */
function leaveAndRunAgain(core: CoreFixture, to: ProcessAddress) {
  core.advance(2_000).take('execute');
  core.report(to, left).settle().advance(2_000);
  core.startAll();
  return core.only('execute');
}

it('run again alone, and that attempt does not count', () => {
  const { core, to, executes } = twoTogether();
  for (const execute of executes) core.finish(execute, suspect);
  core.settle();
  expect(core.take('commit-result')).toEqual([]);
  const alone = leaveAndRunAgain(core, to);
  expect(alone.attempt).toBeGreaterThan(1);
  core.finish(alone).settle();
  expect(core.only('execute').spec.sequence).not.toBe(alone.spec.sequence);
});

it('are suspect once: what a process says of one that ran alone counts', () => {
  const { core, to, executes } = twoTogether();
  for (const execute of executes) core.finish(execute, suspect);
  core.finish(leaveAndRunAgain(core.settle(), to), suspect);
  expect(core.only('store-dead-letter')).toMatchObject({ reason: 'attempts-exhausted' });
});

it('a process that leaves in order is no failure of its model, however often', () => {
  const core = runningCore();
  for (let times = 0; times < 8; times += 1) {
    core.store(core.task());
    const [to] = core.startAll();
    if (to === undefined) throw new Error('nothing was started');
    core.finish(core.only('execute')).settle();
    core.report(to, left).advance(1_500);
  }
  core.store(core.task());
  expect(core.startAll()).toHaveLength(1);
});
