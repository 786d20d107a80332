import type { TaskKey } from '@llmos/base';
import { runningCore, type CoreFixture } from '../core-fixture';

const key = 'k' as TaskKey;
const FAILURE = { code: 'UNAVAILABLE', retryable: true, message: 'not now' } as const;

function started(permits = 2): CoreFixture {
  const core = runningCore().store();
  core.store(core.task());
  core.startAll(permits);
  core.finish(core.only('execute'));
  core.take('acknowledge');
  return core;
}

describe('keys', () => {
  it('run one at a time and in stream order, whatever their priority', () => {
    const core = started(4);
    core.store(core.task({ key, priority: 1 }), core.task({ key, priority: 9 }));
    const first = core.only('execute');
    expect(first.spec.priority).toBe(1);
    core.finish(first);
    expect(core.only('execute').spec.priority).toBe(9);
  });

  it('are not held up again by a task that has ended, whose acknowledgement was lost', () => {
    const core = started(1);
    const [ended, next] = [core.task({ key }), core.task({ key })];
    core.store(ended, next).finish(core.only('execute'));
    const running = core.only('execute');
    core.storeAgain(ended);
    const { sequence } = core.only('look-up-result').spec;
    core.finish(running, { kind: 'failed', error: FAILURE }).settle().advance(1_000);
    expect(core.only('execute').spec.sequence).toBe(next.sequence);
    core.take('acknowledge');
    core.apply({
      kind: 'result-looked-up',
      sequence,
      isCommitted: true,
      attempts: 1,
      isApart: false,
    });
    expect(core.only('acknowledge').sequence).toBe(ended.sequence);
  });

  it('do not hold up other keys, other classes or other tenants', () => {
    const core = started(8);
    const other = 'other' as TaskKey;
    core.store(
      core.task({ key }),
      core.task({ key: other }),
      core.task({ key, class: 'batch' }),
      core.task({ key, tenant: 'zenith' as never }),
    );
    expect(core.take('execute')).toHaveLength(4);
  });

  it('wait while the first one is between two attempts', () => {
    const core = started(4);
    core.store(core.task({ key }), core.task({ key }));
    const first = core.only('execute');
    core.finish(first, {
      kind: 'failed',
      error: { code: 'UNAVAILABLE', retryable: true, message: 'later' },
    });
    core.settle();
    expect(core.take('execute')).toHaveLength(0);
    core.advance(500);
    expect(core.only('execute')).toMatchObject({ attempt: 2, spec: { sequence: 2 } });
  });

  it('go on when the first one is cancelled', () => {
    const core = started(4);
    const first = core.task({ key });
    core.store(first, core.task({ key }));
    const execute = core.only('execute');
    core.apply({ kind: 'cancel-requested', tenant: first.tenant, task: first.id });
    core.finish(execute, { kind: 'stopped', reason: 'CANCELLED' });
    core.settle();
    expect(core.only('execute').spec.sequence).toBe(3);
  });

  it('stay on their process while it is up', () => {
    const core = runningCore();
    core.apply({ kind: 'spawn-requested', request: { model: 'echo', replicas: 2 } });
    core.startAll(1);
    core.store(core.task({ key }));
    const first = core.only('execute');
    core.finish(first);
    // The other process has as much room; the key stays.
    for (let round = 0; round < 4; round += 1) {
      core.store(core.task({ key }));
      const next = core.only('execute');
      expect(next.to.pid).toBe(first.to.pid);
      core.finish(next);
    }
    core.crash(first.to);
    core.store(core.task({ key }));
    expect(core.only('execute').to.pid).not.toBe(first.to.pid);
  });
});
