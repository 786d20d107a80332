import { readDirectAnswer } from './direct-answer';

it.each([
  ['a message', 0, '7', { kind: 'found', sequence: 7 }],
  ['no message', 404, undefined, { kind: 'absent' }],
  ['a server that is busy', 408, undefined, { kind: 'refused', reason: 'status 408' }],
  ['a body without a sequence', 0, undefined, { kind: 'refused' }],
  ['a sequence that is none', 0, '-1', { kind: 'refused' }],
])('reads the answer of a direct get: %s', (_, status, sequence, answer) => {
  const get = (name: string): string | undefined =>
    name === 'Nats-Sequence' ? sequence : undefined;
  expect(readDirectAnswer(status, get)).toMatchObject(answer);
});
