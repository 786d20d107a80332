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
      const generated = functions.TaskResult.encode({ result: { $case: 'embed', value } }).finish();
      expect(Buffer.from(encodeEmbedResult({ embeddings }))).toEqual(Buffer.from(generated));
    }
  });
});
