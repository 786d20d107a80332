import { encodeJson } from '@llmos/base';
import { NatsError } from 'nats';
import {
  API_ERRORS,
  connectRefusal,
  describeApiError,
  isApiError,
  isConflict,
  isRefusal,
  isTimeout,
  isTooLarge,
  isUnavailable,
  isUnheard,
  lacksRoom,
  readApiAnswer,
} from './api-errors';

function refused(status: number, err_code: number, description = 'text'): NatsError {
  const error = new NatsError(description, String(status));
  error.api_error = { code: status, err_code, description };
  return error;
}

it('knows the same refusal as an error of the client and as the bytes of an answer', () => {
  const error = { code: 404, err_code: API_ERRORS.noMessageFound, description: 'no message' };
  const answer = readApiAnswer(encodeJson({ type: 'x', error }));
  if (answer.kind !== 'refused') throw new Error(answer.kind);
  expect(answer.refusal).toEqual({ status: 404, code: 10_037, description: 'no message' });
  expect(isRefusal(answer.refusal, 'streamNotFound', 'noMessageFound')).toBe(true);
  expect(isApiError(refused(404, 10_037), 'streamNotFound', 'noMessageFound')).toBe(true);
  expect(isRefusal(answer.refusal, 'streamNotFound')).toBe(false);
});

it.each([
  ['nothing at all', '', { kind: 'answered', fields: {} }],
  ['an object', '{"seq":1}', { kind: 'answered', fields: { seq: 1 } }],
  ['an error without a number of its own', '{"error":{"code":503}}', { kind: 'refused' }],
  ['an error that is none', '{"error":"x","seq":1}', { kind: 'answered' }],
  ['a list', '[]', { kind: 'unreadable' }],
  ['what is no JSON', '{', { kind: 'unreadable' }],
])('reads %s', (_, text, answer) => {
  expect(readApiAnswer(Buffer.from(text))).toMatchObject(answer);
});

it('tells what may work later from what never will', () => {
  const later = [NatsError.errorForCode('503'), NatsError.errorForCode('TIMEOUT')];
  expect([...later, refused(503, 10_008)].map(isUnavailable)).toEqual([true, true, true]);
  // A full stream answers 503, too.
  const never = [refused(503, API_ERRORS.storeFailed), refused(400, 10_003), new Error('503')];
  expect(never.map(isUnavailable)).toEqual([false, false, false]);
  expect([isUnheard(later[0]), isTimeout(later[0])]).toEqual([true, false]);
  expect([isUnheard(later[1]), isTimeout(later[1])]).toEqual([false, true]);
});

it('knows a lost race, a body that is too large, and a server without room', () => {
  expect(isConflict(refused(400, API_ERRORS.wrongLastSequence))).toBe(true);
  expect(isConflict(refused(503, API_ERRORS.storeFailed, 'maximum per subject'))).toBe(true);
  expect(isConflict(refused(503, API_ERRORS.storeFailed, 'maximum bytes'))).toBe(false);
  expect(isTooLarge(NatsError.errorForCode('MAX_PAYLOAD_EXCEEDED'))).toBe(true);
  expect(isTooLarge(refused(400, API_ERRORS.messageExceedsMaximum))).toBe(true);
  const room = (code: number): boolean => lacksRoom({ status: 500, code, description: '' });
  expect([10_047, 10_023, 10_005, 10_074, 10_058].map(room)).toEqual([
    true,
    true,
    true,
    true,
    false,
  ]);
});

it('says why no connection was opened, and what was refused', () => {
  const reasons = ['AUTHORIZATION_VIOLATION', 'AUTHENTICATION_TIMEOUT', 'CONNECTION_REFUSED'].map(
    (code) => connectRefusal(NatsError.errorForCode(code)),
  );
  expect(reasons).toEqual(['credentials', 'credentials', undefined]);
  expect(describeApiError(refused(400, 1, 'why'))).toBe('why');
  expect(describeApiError('odd')).toBe('odd');
});
