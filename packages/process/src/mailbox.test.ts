import type { AttemptSpec, FunctionName, TaskClass, TaskId, TenantId } from '@llmos/base';
import { Mailbox } from './mailbox';

function spec(task: string, more: Partial<AttemptSpec> = {}): AttemptSpec {
  return {
    tenant: 'acme' as TenantId,
    task: task as TaskId,
    attempt: 1,
    function: 'echo' as FunctionName,
    class: 'standard',
    priority: 5,
    sequence: 1,
    deadlineAtMs: Infinity,
    stream: false,
    format: 'json',
    root: task as TaskId,
    ...more,
  };
}

describe('mailbox', () => {
  it('accepts an attempt once, and says so when it comes again', () => {
    const mailbox = new Mailbox(4);
    expect(mailbox.offer(spec('a')).kind).toBe('accepted');
    expect(mailbox.offer(spec('a')).kind).toBe('duplicate');
    expect(mailbox.offer(spec('a', { tenant: 'other' as TenantId })).kind).toBe('accepted');
    mailbox.takeNext();
    expect(mailbox.offer(spec('a')).kind).toBe('duplicate');
    expect(mailbox.size).toBe(2);
  });

  it('hands out the most urgent first: class, then priority, then age', () => {
    const mailbox = new Mailbox(16);
    const offer = (task: string, taskClass: TaskClass, priority: number, sequence: number): void =>
      void mailbox.offer(spec(task, { class: taskClass, priority, sequence }));
    offer('bulk', 'batch', 9, 1);
    offer('late', 'standard', 5, 9);
    offer('early', 'standard', 5, 2);
    offer('high', 'standard', 7, 8);
    offer('now', 'interactive', 0, 10);
    const order = Array.from({ length: 5 }, () => mailbox.takeNext()?.task);
    expect(order).toEqual(['now', 'high', 'early', 'late', 'bulk']);
    expect(mailbox.takeNext()).toBeUndefined();
  });

  it('accepts nothing beyond its capacity until something ends', () => {
    const mailbox = new Mailbox(1);
    mailbox.offer(spec('a'));
    expect(mailbox.offer(spec('b')).kind).toBe('full');
    mailbox.remove(spec('a'));
    expect(mailbox.offer(spec('b')).kind).toBe('accepted');
  });

  it('lets a higher attempt replace a lower one, and never the other way', () => {
    const mailbox = new Mailbox(4);
    mailbox.offer(spec('a', { attempt: 2 }));
    expect(mailbox.offer(spec('a', { attempt: 1 })).kind).toBe('superseded');
    const offered = mailbox.offer(spec('a', { attempt: 3 }));
    expect(offered).toMatchObject({ kind: 'accepted', replaces: { attempt: 2 } });
    mailbox.remove(spec('a', { attempt: 2 }));
    expect(mailbox.offer(spec('a', { attempt: 2 })).kind).toBe('superseded');
    expect(mailbox.takeNext()?.attempt).toBe(3);
  });
});
