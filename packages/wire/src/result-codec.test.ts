import type { BodyFormat } from '@llmos/base';
import { encodeJson, errorBody, success } from '@llmos/base';
import { functions } from '@llmos/proto';
import { encodeErrorResult, readResultEnd } from './result-codec';

const FORMATS: readonly BodyFormat[] = ['json', 'protobuf'];

it.each(FORMATS)('knows an error that it has written, in %s', (format) => {
  const details = { limit: 3, at: undefined, names: ['a'] };
  const error = errorBody('RESOURCE_EXHAUSTED', 'full', { retryable: true, details });
  const bytes = encodeErrorResult(error, format);
  expect(readResultEnd(bytes, format)).toEqual({ ok: false, errorCode: 'RESOURCE_EXHAUSTED' });
});

it('writes the details of an error as far as JSON has them', () => {
  const details = { limit: 3, at: undefined };
  const error = errorBody('INTERNAL', 'x', { retryable: false, details });
  const { result } = functions.TaskResult.decode(encodeErrorResult(error, 'protobuf'));
  expect(result).toMatchObject({ $case: 'error', value: { code: 'INTERNAL', message: 'x' } });
  expect(result?.$case === 'error' ? result.value.details : undefined).toEqual({ limit: 3 });
});

it('takes what is no error for a success, whatever it is', () => {
  expect(readResultEnd(encodeJson(success({ a: 1 })), 'json')).toEqual({ ok: true });
  expect(readResultEnd(new Uint8Array(0), 'protobuf')).toEqual({ ok: true });
  expect(readResultEnd(Uint8Array.of(0xff), 'protobuf')).toEqual({ ok: true });
});

it('knows of a broken error that it is one', () => {
  const broken = { ok: false, errorCode: 'UNKNOWN' };
  expect(readResultEnd(Uint8Array.of(0x0a, 9, 1), 'protobuf')).toEqual(broken);
});
