import { nameOfSubject } from './backlog-reads';
import { TextFilter } from './text-filter';

it('never says of a text that was added that it was not', () => {
  const filter = new TextFilter();
  const names = Array.from({ length: 50_000 }, (_, index) => `tenant-${index % 7}.task-${index}`);
  for (const name of names) filter.add(name);
  expect(names.every((name) => filter.mayHave(name))).toBe(true);
});

it('takes hardly any other text for one of them', () => {
  const filter = new TextFilter();
  for (let index = 0; index < 50_000; index += 1) filter.add(`acme.s${index}`);
  let mistaken = 0;
  for (let index = 0; index < 50_000; index += 1) {
    if (filter.mayHave(`acme.t${index}`)) mistaken += 1;
  }
  expect(mistaken).toBeLessThan(50);
  expect(new TextFilter().mayHave('acme.s1')).toBe(false);
});

it('knows a task by one name, whichever stream has its result', () => {
  expect(nameOfSubject('llmos.v1.result.acme.s17')).toBe('acme.s17');
  expect(nameOfSubject('llmos.v1.answer.acme.s17')).toBe('acme.s17');
});
