import { describeStatus } from './status';

const queued = { state: 'queued', class: 'batch', function: 'embed', attempts: 0 } as const;

it('says what a task waits for, and why', () => {
  expect(describeStatus({ ...queued, waitsFor: 'turn', ahead: { own: 2, others: 1 } })).toBe(
    'queued (batch embed), waits for its turn; 2 of its tenant and 1 go first',
  );
  const soon = { waitsFor: 'turn', ahead: { own: 0, others: 1 }, estimateMs: 2_340 } as const;
  expect(describeStatus({ ...queued, ...soon })).toBe(
    'queued (batch embed), waits for its turn; 0 of its tenant and 1 go first; its turn comes in about 2.3 s',
  );
  const blocked = {
    because: 'failing',
    message: 'node a: \u001b[31mno',
    retryInMs: 2_000,
  } as const;
  const text = describeStatus({ ...queued, waitsFor: 'process', blocked });
  expect(text).toContain('waits for a process: the model does not load now, next try in 2.0 s');
  // What a node said goes to a terminal.
  expect(text).not.toContain('\u001b');
});

it('says the rest of an older kernel as before', () => {
  expect(describeStatus(queued)).toBe('queued (batch embed)');
  expect(describeStatus({ ...queued, state: 'running', attempts: 2, pid: 'p1-1' })).toBe(
    'running on p1-1 (batch embed, attempt 2)',
  );
});
