import type { FunctionName, NodeId, ProcessId, TaskId, TenantId } from '@llmos/base';
import { asTarget } from '@llmos/base';
import { tellFact } from './kernel-fact';

it('tells of a task in the name of its tenant', () => {
  const ended = {
    function: 'echo' as FunctionName,
    class: 'batch',
    attempts: 2,
    ageMs: 7,
  } as const;
  const of = { tenant: 'acme' as TenantId, id: 't1' as TaskId };
  expect(tellFact({ kind: 'task-failed', ...of, ...ended, code: 'INTERNAL' })).toEqual({
    principal: 'acme',
    entity: 'task',
    id: 't1',
    what: 'failed',
    fields: { ...ended, code: 'INTERNAL' },
  });
});

it('tells of everything else in the name of the system', () => {
  const of = { target: asTarget('m@1'), node: 'n1' as NodeId, incarnation: 1 };
  const fact = {
    kind: 'process-refuses-leader',
    id: 'p1' as ProcessId,
    obeys: 9,
    epoch: 2,
  } as const;
  expect(tellFact({ ...fact, ...of })).toEqual({
    principal: 'system',
    entity: 'process',
    id: 'p1',
    what: 'refuses-leader',
    fields: { ...of, obeys: 9, epoch: 2 },
  });
});
