import { errorBody } from '@llmos/base';
import type { RequestMessage } from './request-codec';
import { REQUEST_CODECS, encodeOutcome, ownerOf } from './request-codec';

function messageTo(
  subject: string,
  headers: Readonly<Record<string, string>> = {},
): RequestMessage {
  return { subject, bytes: 1, header: (name) => headers[name], body: Buffer.from('1') };
}

describe('who asks', () => {
  const principalIn = (subject: string): unknown => {
    const reading = REQUEST_CODECS.system.read(messageTo(subject));
    return reading.kind === 'read' ? reading.asked.principal : reading.error.message;
  };

  it('is the principal of the subject; operator and default may operate', () => {
    expect(principalIn('llmos.v1.sys.acme.ps')).toEqual({ tenant: 'acme', isOperator: false });
    for (const tenant of ['operator', 'default']) {
      expect(principalIn(`llmos.v1.sys.${tenant}.ps`)).toEqual({ tenant, isOperator: true });
    }
  });

  it('is nobody where the subject is none of ours', () => {
    expect(principalIn('llmos.v1.sys.a b.ps')).toBe('subject "llmos.v1.sys.a b.ps" names no call');
  });

  it('stands in one line whatever it asks, also where it can be no tenant', () => {
    const subjects = ['llmos.v1.call.acme.echo', 'llmos.v1.sys.acme.ps', 'llmos.v1.call.a b.echo'];
    expect([...subjects, 'p', ''].map(ownerOf)).toEqual(['acme', 'acme', 'a b', '', '']);
  });
});

describe('a task that is asked for', () => {
  it('has the function of its subject, and the terms of its headers', () => {
    const headers = { 'Llmos-Id': 't1', 'Llmos-Class': 'batch', 'Nats-Rollup': 'all' };
    const reading = REQUEST_CODECS.submit.read(messageTo('llmos.v1.submit.acme.echo', headers));
    expect(reading).toMatchObject({
      kind: 'read',
      asked: { function: 'echo', terms: { id: 't1', class: 'batch', format: 'json' } },
    });
  });

  it('is refused in its own format where a header can’t be read', () => {
    const headers = { 'Content-Type': 'application/x-protobuf', 'Llmos-Priority': 'high' };
    const reading = REQUEST_CODECS.call.read(messageTo('llmos.v1.call.acme.echo', headers));
    expect(reading).toMatchObject({ kind: 'invalid', format: 'protobuf' });
  });

  it('is refused where its subject is that of another kind', () => {
    const reading = REQUEST_CODECS.call.read(messageTo('llmos.v1.submit.acme.echo'));
    expect(reading).toMatchObject({ kind: 'invalid', error: { code: 'INVALID_ARGUMENT' } });
  });
});

it('names the task of a cancel', () => {
  expect(REQUEST_CODECS.cancel.read(messageTo('llmos.v1.cancel.acme.t1'))).toEqual({
    kind: 'read',
    asked: { principal: { tenant: 'acme', isOperator: false }, task: 't1' },
  });
  expect(REQUEST_CODECS.cancel.read(messageTo('llmos.v1.cancel.acme.t 1'))).toMatchObject({
    kind: 'invalid',
    error: { message: 'subject "llmos.v1.cancel.acme.t 1": tenant and task must be tokens' },
  });
});

it('writes what comes of a request, an error in the format that was asked for', () => {
  const error = errorBody('NOT_FOUND', 'none');
  const text = (outcome: Parameters<typeof encodeOutcome>[0]): string =>
    Buffer.from(encodeOutcome(outcome).body).toString();
  expect(text({ kind: 'output', output: { task: 't1' } })).toBe(
    '{"ok":true,"output":{"task":"t1"}}',
  );
  expect(JSON.parse(text({ kind: 'refused', error, format: 'json' }))).toEqual({
    ok: false,
    error,
  });
  const written = encodeOutcome({ kind: 'unanswered', error, format: 'protobuf' });
  expect(written.format).toBe('protobuf');
  expect(written.body[0]).not.toBe('{'.charCodeAt(0));
  const body = Buffer.from('stored');
  expect(encodeOutcome({ kind: 'result', body, format: 'protobuf' }).body).toBe(body);
});
