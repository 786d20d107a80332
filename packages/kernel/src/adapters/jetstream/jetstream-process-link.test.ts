import type { FunctionName, NodeId, ProcessId, TaskId, TenantId } from '@llmos/base';
import type { TaskSpec } from '../../tasks/task-spec';
import { attemptSpecOf } from './jetstream-process-link';
import { eventsOf } from './report-events';

const from = { node: 'n1' as NodeId, process: 'p1-1' as ProcessId };
const ref = { tenant: 'acme' as TenantId, task: 's1' as TaskId, attempt: 2 };
const cost = { deviceMs: 1.5, cpuMs: 6, inputTokens: 7, outputTokens: 2 };
const committed = { kind: 'committed', ok: true } as const;

it('carries a task to the mailbox with everything that the process needs', () => {
  const spec: TaskSpec = {
    tenant: 'acme' as TenantId,
    id: 't1' as TaskId,
    hasOwnId: true,
    function: 'embed' as FunctionName,
    class: 'batch',
    priority: 9,
    hasOwnPriority: true,
    sequence: 77,
    storedWallMs: 1,
    maxAttempts: 3,
    stream: true,
    format: 'json',
    model: { name: 'mini', version: '1' },
  };
  const body = new Uint8Array([1, 2, 3]);
  const order = attemptSpecOf({ spec, attempt: 2, deadlineWallMs: 5 }, body);
  expect(order).toMatchObject({ task: 't1', attempt: 2, model: 'mini@1', sequence: 77 });
  expect(order).toMatchObject({ root: 't1', stream: true, deadlineAtMs: 5, storedAtMs: 1, body });
});

it('tells the facts of a report in their order, with what they have cost', () => {
  const events = eventsOf(from, {
    incarnation: 3,
    accepted: [ref],
    finished: [
      { ref, outcome: committed, cost },
      { ref, outcome: committed },
      { ref, outcome: { kind: 'preempted' }, cost },
    ],
    heartbeat: { running: [ref, ref], costs: [cost], epoch: 7, foreign: 2 },
  });
  expect(events.map((event) => event.kind)).toEqual([
    'attempt-accepted',
    'attempt-finished',
    'attempt-finished',
    'attempt-preempted',
    'process-heartbeat',
  ]);
  const told = events.map((event) => ('cost' in event ? event.cost : undefined));
  expect(told).toEqual([undefined, cost, undefined, cost, undefined]);
  expect(events[1]).toMatchObject({ origin: { pid: 'p1-1', incarnation: 3 }, outcome: committed });
  expect(events.at(-1)).toMatchObject({ running: [{ ...ref, cost }, ref], epoch: 7, foreign: 2 });
});
