import { TaskGroups } from './task-groups';
import type { Task } from './task';

const task = (name: string): Task => ({ spec: { id: name } }) as unknown as Task;
const [a, b, c] = [task('a'), task('b'), task('c')] as const;

function groupsOf(...tasks: readonly Task[]): TaskGroups<string> {
  const groups = new TaskGroups<string>();
  for (const each of tasks) groups.add('one', each);
  return groups;
}

it('has a name for as long as it has members, one or many, in their order', () => {
  const groups = groupsOf();
  const steps: [() => void, readonly Task[]][] = [
    [() => undefined, []],
    [() => groups.add('one', b), [b]],
    [() => groups.add('one', b), [b]],
    [() => groups.remove('one', a), [b]],
    [() => groups.add('one', a), [b, a]],
    [() => groups.remove('one', b), [a]],
    [() => groups.add('one', c), [a, c]],
    [() => groups.remove('one', a), [c]],
    [() => groups.remove('one', c), []],
    [() => groups.add('one', c), [c]],
    [() => groups.remove('one', c), []],
  ];
  for (const [act, members] of steps) {
    act();
    expect([...groups.membersOf('one')]).toEqual(members);
    expect(groups.sizeOf('one')).toBe(members.length);
    expect(groups.has('one')).toBe(members.length > 0);
    expect(groups.size).toBe(members.length > 0 ? 1 : 0);
    for (const each of [a, b, c]) {
      expect(groups.isMember('one', each)).toBe(members.includes(each));
    }
  }
});

it('meets no member that is gone by then, also where it was alone', () => {
  const alone = groupsOf(a);
  const members = alone.membersOf('one');
  alone.remove('one', a);
  alone.add('one', b);
  expect([...members]).toEqual([]);
});

it('meets each that was there and stays, whatever others do meanwhile', () => {
  const groups = groupsOf(a, b, c);
  const members = groups.membersOf('one');
  expect(members.next().value).toBe(a);
  groups.remove('one', a);
  groups.remove('one', b);
  expect([...members]).toEqual([c]);
});
