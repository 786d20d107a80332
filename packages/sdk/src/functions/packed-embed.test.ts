import { packEmbedInput, unpackEmbedInput, unpackResult } from './packed-embed';

const bytesOf = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(' ', ''), 'hex');

describe('the packed input of embed', () => {
  it('has the bytes that protobuf gives it', () => {
    const packed = packEmbedInput({ model: 'm', text: 'hé', truncate: true });
    expect(packed && Buffer.from(packed).toString('hex')).toBe('0a016d120368c3a92001');
  });

  it('reads back as it was', () => {
    const long = 'x'.repeat(300);
    for (const input of [
      { model: 'a@1', text: 'good morning' },
      { text: '' },
      { text: '\ufeffmarked 😀' },
      { texts: ['one', '', long], truncate: false },
    ]) {
      const packed = packEmbedInput(input);
      expect(packed && unpackEmbedInput(packed)).toEqual(input);
    }
  });

  it('is none where JSON has to say what is wrong', () => {
    for (const input of [
      ...[undefined, null, 'text', ['text'], {}, { text: 1 }, { model: {} }, { texts: [] }],
      ...[{ texts: ['a', 1] }, { truncate: 'yes' }, { text: 'a', more: 1 }, { text: '\ud800' }],
    ]) {
      expect(packEmbedInput(input)).toBeUndefined();
    }
    expect(unpackEmbedInput(bytesOf('0a7f'))).toBeUndefined();
  });
});

describe('a packed result', () => {
  it('of embed has its vectors', () => {
    // embed { embeddings { values: 1, -0.5 } embeddings { } }
    expect(unpackResult(bytesOf('1a0e 0a0a 0a08 0000803f 000000bf 0a00'))).toEqual({
      ok: true,
      output: { embeddings: [[1, -0.5], []] },
    });
  });

  it('of an error has code, message and details', () => {
    // error { code: "ABORTED" retryable: true message: "no" details { "n": 2, "t": "x" } }
    const details = '0a0e 0a016e 1209 11 0000000000000040 0a08 0a0174 1203 1a0178';
    const error = `0a07 41424f52544544 1001 1a02 6e6f 221a ${details}`;
    expect(unpackResult(bytesOf(`0a2b ${error}`))).toEqual({
      ok: false,
      error: { code: 'ABORTED', retryable: true, message: 'no', details: { n: 2, t: 'x' } },
    });
  });

  it('of anything else is an error, whatever the bytes', () => {
    const code = (hex: string): unknown => {
      const result = unpackResult(bytesOf(hex));
      return result.ok ? undefined : result.error.code;
    };
    expect(code('2200')).toBe('UNIMPLEMENTED');
    expect(code('')).toBe('UNIMPLEMENTED');
    expect(code('1a7f')).toBe('INTERNAL');
    expect(code('0a020a00')).toBe('INTERNAL');
    expect(code('ffffffffffffffffffffff')).toBe('INTERNAL');
  });
});
