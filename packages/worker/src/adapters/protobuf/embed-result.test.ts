import { functions } from '@llmos/proto';
import { encodeEmbedResult } from './embed-result';

describe('the packed result of embed', () => {
  it('has the bytes of the generated code', () => {
    const vector = (length: number): number[] =>
      Array.from({ length }, (_, index) => Math.fround(Math.sin(index + length)));
    for (const lengths of [
      [],
      [0],
      [1],
      [384],
      [31, 32],
      [3, 0, 4096],
      new Array<number>(100).fill(40),
    ]) {
      const embeddings = lengths.map(vector);
      const value = { embeddings: embeddings.map((values) => ({ values })) };
      for (const inputTokens of [undefined, 0, 5, 70_000]) {
        const usage = inputTokens === undefined ? undefined : { inputTokens };
        const generated = functions.TaskResult.encode({
          usage: usage && { ...usage, cachedTokens: 0, outputTokens: 0 },
          result: { $case: 'embed', value },
        }).finish();
        const output = { embeddings, ...(usage && { usage }) };
        expect(Buffer.from(encodeEmbedResult(output))).toEqual(Buffer.from(generated));
      }
    }
  });

  it('ends with the vectors, where clients of before its usage look for them', () => {
    const output = { embeddings: [[1, -0.5]], usage: { inputTokens: 5 } };
    const bytes = Buffer.from(encodeEmbedResult(output)).toString('hex');
    expect(bytes).toBe('42020805' + '1a0c' + '0a0a' + '0a08' + '0000803f000000bf');
  });
});
