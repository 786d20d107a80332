import { packEmbedInput, unpackEmbedInput, unpackResult } from './packed-embed';
import { floatsOf, readFields } from './packed-reader';

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

  it('of embed has its usage, beside fields that a later version adds', () => {
    const vectors = '0a0a 0a08 0000803f 000000bf';
    const embeddings = [[1, -0.5]];
    const read = (hex: string): unknown => {
      const result = unpackResult(bytesOf(hex));
      return result.ok ? result.output : result.error;
    };
    // usage { input_tokens: 5 } embed { embeddings { values: 1, -0.5 } }
    const five = { embeddings, usage: { inputTokens: 5 } };
    expect(read(`4202 0805 1a0c ${vectors}`)).toEqual(five);
    // In any order; usage { } is none read; usage { cached_tokens: 1 … } has more to tell.
    expect(read(`1a0c ${vectors} 4202 0805`)).toEqual(five);
    expect(read(`4200 1a0c ${vectors}`)).toEqual({ embeddings, usage: { inputTokens: 0 } });
    expect(read(`4206 1001 0805 2001 1a0c ${vectors}`)).toEqual(five);
    // Fields 9 of the result and 2 of EmbedOutput are not known yet.
    expect(read(`4a01 00 1a10 ${vectors} 1202 0805 4a00`)).toEqual({ embeddings });
    expect(unpackResult(bytesOf('4203 0805 1a00'))).toMatchObject({ ok: false });
  });

  it('of embed that has a usage has the same vectors for clients of before it', () => {
    expect(vectorsAsBefore(bytesOf('4202 0805 1a0e 0a0a 0a08 0000803f 000000bf 0a00'))).toEqual([
      [1, -0.5],
      [],
    ]);
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

/** The vectors as clients of before the usage read them: all fields of the last one. */
function vectorsAsBefore(bytes: Uint8Array): number[][] | undefined {
  const result = readFields(bytes).at(-1);
  if (result?.number !== 3) return undefined;
  return readFields(result.bytes).map((vector) => {
    const [values] = readFields(vector.bytes);
    return values === undefined ? [] : floatsOf(values);
  });
}
