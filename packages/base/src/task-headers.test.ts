import { readTaskTerms, taskHeadersOf } from './task-headers';

function read(headers: Record<string, string>): ReturnType<typeof readTaskTerms> {
  return readTaskTerms((name) => headers[name]);
}

describe('readTaskTerms', () => {
  it('gives every default where no header is set', () => {
    expect(read({})).toEqual({
      kind: 'read',
      terms: {
        priority: 5,
        hasOwnPriority: false,
        maxAttempts: 3,
        stream: false,
        isIdNew: false,
        format: 'json',
      },
    });
  });

  it('reads every header', () => {
    const outcome = read({
      'Llmos-Id': 'order-17',
      'Llmos-Id-New': 'true',
      'Llmos-Model': 'mini-encoder@2',
      'Llmos-Priority': '9',
      'Llmos-Timeout-Ms': '1500',
      'Llmos-Deadline': '2030-01-02T03:04:05Z',
      'Llmos-Key': 'user-7',
      'Llmos-Max-Attempts': '1',
      'Llmos-Stream': 'true',
      'Llmos-Parent': 'p',
      'Llmos-Root': 'r',
      'Llmos-Class': 'batch',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'Content-Type': 'application/x-protobuf',
    });
    expect(outcome).toEqual({
      kind: 'read',
      terms: {
        id: 'order-17',
        model: { name: 'mini-encoder', version: '2' },
        priority: 9,
        hasOwnPriority: true,
        timeoutMs: 1500,
        deadlineWallMs: Date.UTC(2030, 0, 2, 3, 4, 5),
        key: 'user-7',
        maxAttempts: 1,
        stream: true,
        isIdNew: true,
        parent: 'p',
        root: 'r',
        class: 'batch',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        format: 'protobuf',
      },
    });
  });

  it.each([
    ['Llmos-Id', 'a b'],
    ['Llmos-Id', 'x'.repeat(5000)],
    ['Llmos-Id-New', 'perhaps'],
    ['Llmos-Key', 'a.b'],
    ['Llmos-Model', '../etc'],
    ['Llmos-Priority', '10'],
    ['Llmos-Priority', '-1'],
    ['Llmos-Priority', '1.5'],
    ['Llmos-Timeout-Ms', '0'],
    ['Llmos-Timeout-Ms', '99999999999'],
    ['Llmos-Deadline', 'tomorrow'],
    ['Llmos-Max-Attempts', '0'],
    ['Llmos-Stream', 'yes'],
    ['Llmos-Class', 'urgent'],
    ['Content-Type', 'text/html'],
  ])('refuses %s: %s by name, quoting a short value', (name, value) => {
    const outcome = read({ [name]: value });
    if (outcome.kind !== 'invalid') throw new Error('expected it to be refused');
    expect(outcome.error.code).toBe('INVALID_ARGUMENT');
    expect(outcome.error.message).toContain(name);
    expect(outcome.error.message).toContain(value.slice(0, 80));
    expect(outcome.error.message.length).toBeLessThan(250);
  });

  it('ignores a broken trace context', () => {
    expect(read({ traceparent: 'not hex!' })).toMatchObject({ kind: 'read' });
  });
});

describe('taskHeadersOf', () => {
  const written = (headers: Record<string, string>): Record<string, string> => {
    const reading = read(headers);
    if (reading.kind === 'invalid') throw new Error(reading.error.message);
    return Object.fromEntries(taskHeadersOf(reading.terms));
  };

  it('writes nothing where everything is usual', () => {
    expect(written({ 'Llmos-Max-Attempts': '3', 'Content-Type': 'application/json' })).toEqual({});
  });

  it('writes what is read as the same terms', () => {
    const headers = {
      'Llmos-Id': 'order-17',
      'Llmos-Id-New': 'true',
      'Llmos-Caller': 'c1',
      'Llmos-Model': 'mini-encoder@2',
      'Llmos-Priority': '5',
      'Llmos-Timeout-Ms': '1500',
      'Llmos-Deadline': '1893553445000',
      'Llmos-Key': 'user-7',
      'Llmos-Max-Attempts': '1',
      'Llmos-Stream': 'true',
      'Llmos-Parent': 'p',
      'Llmos-Root': 'r',
      'Llmos-Keep-Ms': '60000',
      'Llmos-Flow': 'f',
      'Llmos-Not-Before': '1893553440000',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'Content-Type': 'application/x-protobuf',
    };
    expect(written(headers)).toEqual(headers);
  });

  it('writes neither what was too long to be read nor another form of it', () => {
    const long = 'x'.repeat(60_000);
    const headers = { 'Content-Type': `application/protobuf; ${long}`, traceparent: long };
    expect(written(headers)).toEqual({ 'Content-Type': 'application/x-protobuf' });
  });

  it('writes a deadline before 1970 as one that is over', () => {
    expect(written({ 'Llmos-Deadline': '1969-12-31T23:59:59Z' })).toEqual({
      'Llmos-Deadline': '0',
    });
  });
});
