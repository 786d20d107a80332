import { readTaskHeaders } from './task-headers';

function read(headers: Record<string, string>): ReturnType<typeof readTaskHeaders> {
  return readTaskHeaders((name) => headers[name]);
}

describe('readTaskHeaders', () => {
  it('gives every default where no header is set', () => {
    expect(read({})).toEqual({
      kind: 'read',
      headers: {
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
      headers: {
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
