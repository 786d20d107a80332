import type { AttemptSpec, TaskClass, TenantId } from '@llmos/base';
import type { Attempt, HandlerAnswer } from './attempt';
import { attemptSpec as spec } from './attempt-fixture';
import type { WaitingAttempt } from './mailbox';
import { Mailbox } from './mailbox';
import { TenantTurns } from './waiting-order';

const mailboxOf = (capacity: number) => new Mailbox(capacity, new TenantTurns());

function attemptOf(of: AttemptSpec): Attempt {
  return {
    spec: of,
    body: Buffer.from(of.task),
    signal: new AbortController().signal,
    preemption: new AbortController().signal,
    resumeTokens: [],
    maxResultBytes: 1e6,
    tellCost: () => undefined,
    emitChunk: () => undefined,
  };
}

/** Waits in the mailbox; what it is answered is kept. */
function wait(mailbox: Mailbox, task: string, more: Partial<AttemptSpec> = {}) {
  const answers: HandlerAnswer[] = [];
  const attempt = attemptOf(spec(task, more));
  return { waiting: mailbox.enqueue(attempt, 7, (answer) => answers.push(answer)), answers };
}

const tasksOf = (waiting: readonly WaitingAttempt[]) =>
  waiting.map(({ attempt }) => attempt.spec.task).join(' ');
const DONE: HandlerAnswer = { kind: 'answered', result: Buffer.from('done') };
const BACK: HandlerAnswer = { kind: 'preempted', state: { tokens: [], text: '' } };

describe('mailbox', () => {
  it('accepts an attempt once, and says so when it comes again', () => {
    const mailbox = mailboxOf(4);
    expect(mailbox.offer(spec('a')).kind).toBe('accepted');
    expect(mailbox.offer(spec('a')).kind).toBe('duplicate');
    expect(mailbox.offer(spec('a', { tenant: 'other' as TenantId })).kind).toBe('accepted');
    expect(mailbox.size).toBe(2);
  });

  it('has the most urgent first: class, then priority, then age', () => {
    const mailbox = mailboxOf(16);
    const enqueue = (task: string, taskClass: TaskClass, priority: number, sequence: number) =>
      void wait(mailbox, task, { class: taskClass, priority, sequence });
    enqueue('bulk', 'batch', 9, 1);
    enqueue('late', 'standard', 5, 9);
    enqueue('early', 'standard', 5, 2);
    enqueue('high', 'standard', 7, 8);
    enqueue('now', 'interactive', 0, 10);
    expect(tasksOf(mailbox.inOrder())).toBe('now high early late bulk');
    expect(tasksOf(mailbox.inOrder(({ class: of }) => of !== 'standard'))).toBe('now bulk');
  });

  it('takes the tenants in turns within a class and priority: first who has less running', () => {
    const mailbox = mailboxOf(16);
    for (const task of ['a1', 'a2', 'a3']) wait(mailbox, task);
    for (const task of ['b1', 'b2']) wait(mailbox, task, { tenant: 'other' as TenantId });
    wait(mailbox, 'a0', { class: 'interactive' });
    expect(tasksOf(mailbox.inOrder())).toBe('a0 a1 b1 a2 b2 a3');
    for (const next of mailbox.inOrder().slice(0, 2)) mailbox.take(next);
    expect(tasksOf(mailbox.inOrder())).toBe('b1 b2 a2 a3');
  });

  it('counts the turns among what may run, not among all that waits', () => {
    const mailbox = mailboxOf(16);
    for (const task of ['a long', 'a long too', 'a']) wait(mailbox, task);
    for (const task of ['b', 'b too']) wait(mailbox, task, { tenant: 'other' as TenantId });
    expect(tasksOf(mailbox.inOrder(({ bytes }) => bytes < 6))).toBe('a b b too');
  });

  it('no longer waits for what is taken, and passes its one answer on', () => {
    const mailbox = mailboxOf(4);
    const { waiting, answers } = wait(mailbox, 'a');
    mailbox.take(waiting);
    expect([mailbox.waitingCount, tasksOf(mailbox.inOrder())]).toEqual([0, '']);
    mailbox.withdraw(waiting, BACK);
    expect(answers).toEqual([]);
    mailbox.ended(waiting);
    mailbox.answer(waiting, DONE);
    mailbox.answer(waiting, BACK);
    expect(answers).toEqual([DONE]);
    expect(() => mailbox.take(waiting)).toThrow('must wait');
  });

  it('answers what is withdrawn at once, and lets nobody take it', () => {
    const mailbox = mailboxOf(4);
    const { waiting, answers } = wait(mailbox, 'a');
    mailbox.withdraw(waiting, BACK);
    mailbox.answer(waiting, DONE);
    expect([mailbox.waitingCount, answers]).toEqual([0, [BACK]]);
    expect(() => mailbox.take(waiting)).toThrow('must wait');
  });

  it('accepts nothing beyond its capacity until something ends', () => {
    const mailbox = mailboxOf(1);
    mailbox.offer(spec('a'));
    expect(mailbox.offer(spec('b')).kind).toBe('full');
    mailbox.remove(spec('a'));
    expect(mailbox.offer(spec('b')).kind).toBe('accepted');
  });

  it('lets a higher attempt replace a lower one, and never the other way', () => {
    const mailbox = mailboxOf(4);
    mailbox.offer(spec('a', { attempt: 2 }));
    expect(mailbox.offer(spec('a', { attempt: 1 })).kind).toBe('superseded');
    const offered = mailbox.offer(spec('a', { attempt: 3 }));
    expect(offered).toMatchObject({ kind: 'accepted', replaces: { attempt: 2 } });
    mailbox.remove(spec('a', { attempt: 2 }));
    expect(mailbox.offer(spec('a', { attempt: 2 })).kind).toBe('superseded');
    expect(mailbox.size).toBe(1);
  });
});
