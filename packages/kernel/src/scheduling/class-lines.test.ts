import type { TaskClass, TenantId } from '@llmos/base';
import { ClassLines } from './class-lines';

function linesOf(...items: readonly string[]): ClassLines<string> {
  const lines = new ClassLines<string>();
  for (const item of items) {
    const [taskClass, tenant] = item.split('/') as [TaskClass, TenantId];
    lines.push({ class: taskClass, tenant }, item);
  }
  return lines;
}

it('names the most urgent class that may go, and takes the tenants of a class in turn', () => {
  const lines = linesOf('batch/a/1', 'batch/a/2', 'batch/b/1', 'interactive/a/1');
  expect([lines.waiting(), lines.waiting('batch'), lines.waiting('standard')]).toEqual([4, 3, 0]);
  expect(lines.first(() => true)).toBe('interactive');
  expect(lines.first((taskClass) => taskClass !== 'interactive')).toBe('batch');
  expect([lines.take('batch'), lines.take('batch'), lines.take('batch')]).toEqual([
    'batch/a/1',
    'batch/b/1',
    'batch/a/2',
  ]);
  expect(lines.take('batch')).toBeUndefined();
});

it('keeps the turn of a tenant that may not go', () => {
  const lines = linesOf('standard/a/1', 'standard/b/1', 'standard/b/2');
  expect(lines.take('standard', (tenant) => tenant !== 'a')).toBe('standard/b/1');
  expect(lines.take('standard')).toBe('standard/a/1');
});

it('gives everything, the more urgent classes first', () => {
  const lines = linesOf('batch/a/1', 'interactive/b/1', 'standard/a/1');
  expect(lines.takeAll()).toEqual(['interactive/b/1', 'standard/a/1', 'batch/a/1']);
  expect([lines.waiting(), lines.first(() => true)]).toEqual([0, undefined]);
});
