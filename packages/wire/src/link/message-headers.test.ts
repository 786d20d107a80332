import { HARDLY_ANY_BYTES, heldBytesOf } from '@llmos/base/testing';
import { headers } from 'nats';
import { readHeaderBlock, readHeaders } from './message-headers';

it('holds nothing of the headers beside the one that was read', async () => {
  const header = (huge: string): string | undefined =>
    readHeaders(() => [['Llmos-Id', [huge.slice(100, 126)]]]).get('llmos-id');
  expect(await heldBytesOf(header)).toBeLessThan(HARDLY_ANY_BYTES);
});

it('takes what the server added, not what a publisher wrote under the same name', () => {
  const stored = headers();
  stored.append('Nats-Sequence', '1');
  stored.append('nats-sequence', '2');
  stored.append('Llmos-Id', 'first');
  stored.append('Nats-Sequence', '7');
  stored.append('Llmos-Id', 'second');
  const { get } = readHeaders(() => stored);
  expect([get('Nats-Sequence'), get('Llmos-Id')]).toEqual(['7', 'first']);
});

describe('a header block of the stream API', () => {
  function blockOf(...lines: readonly string[]): string {
    return Buffer.from(['NATS/1.0', ...lines, '', ''].join('\r\n')).toString('base64');
  }

  it('is read as the headers of a delivered message are: the first of several counts', () => {
    const delivered = headers();
    delivered.append('Llmos-Id', 'first');
    delivered.append('Llmos-Id', 'second');
    const block = readHeaderBlock(blockOf('Llmos-Id: first', 'Llmos-Id: second'));
    expect(block.get('llmos-id')).toBe('first');
    expect(readHeaders(() => delivered).get('llmos-id')).toBe('first');
  });

  it('counts names in any case as one', () => {
    const { get } = readHeaderBlock(blockOf('LLMOS-ID: a', 'Llmos-Id: b', 'X:  c : d '));
    expect([get('llmos-id'), get('x'), get('none')]).toEqual(['a', 'c : d', undefined]);
  });

  it.each(['', '!', blockOf(), blockOf(':', ': x', 'no colon')])('%j has no header', (block) => {
    expect(readHeaderBlock(block).get('')).toBeUndefined();
  });
});
