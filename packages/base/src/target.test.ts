import { modelTarget, parseTarget, programTarget, readTarget } from './target';

it('reads back what a target was made of', () => {
  const model = { name: 'story.small', version: '2' };
  expect(readTarget(modelTarget(model))).toEqual({ kind: 'model', ...model });
  expect(readTarget(programTarget('echo'))).toEqual({ kind: 'program', function: 'echo' });
});

it('takes its own text from a wire, and nothing else', () => {
  for (const text of ['story.small@2', 'echo']) expect(parseTarget(text)).toBe(text);
  const others = ['', 'story.small', 'story@', '@1', 'a@b@c', 'a b', '../a@1', 'x'.repeat(200), 7];
  for (const other of others) expect(parseTarget(other)).toBeUndefined();
});
