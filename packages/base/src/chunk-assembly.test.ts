import { ChunkAssembly, parseGeneratedText } from './chunk-assembly';
import type { GenerateChunk } from './functions/function-types';

function chunk(index: number, ...texts: readonly string[]): GenerateChunk {
  return { index, text: texts.join(''), tokens: texts.map((_, at) => 100 + index + at) };
}
function textOf(chunks: readonly GenerateChunk[]): string {
  return chunks.map((each) => each.text).join('');
}
const output = { text: 'abcd', tokens: [100, 101, 102, 103], promptTokens: 1 } as const;

describe('ChunkAssembly', () => {
  it('gives chunks out as they come while they are in order', () => {
    const assembly = new ChunkAssembly(64);
    expect(assembly.accept(chunk(0, 'a'))).toEqual([chunk(0, 'a')]);
    expect(assembly.accept(chunk(1, 'b', 'c'))).toEqual([chunk(1, 'b', 'c')]);
    expect(assembly.hasGap).toBe(false);
  });

  it('gives a doubled chunk out once', () => {
    const assembly = new ChunkAssembly(64);
    assembly.accept(chunk(0, 'a', 'b'));
    expect(assembly.accept(chunk(0, 'a', 'b'))).toEqual([]);
    expect(assembly.accept(chunk(1, 'b'))).toEqual([]);
  });

  it('keeps no more early chunks than it may', () => {
    const assembly = new ChunkAssembly(1);
    assembly.accept(chunk(1, 'b'));
    assembly.accept(chunk(2, 'c'));
    expect(textOf(assembly.accept(chunk(0, 'a')))).toBe('ab');
    expect(assembly.nextTokenIndex).toBe(2);
  });

  it('holds an early chunk until the one before it has come', () => {
    const assembly = new ChunkAssembly(64);
    expect(assembly.accept(chunk(2, 'c'))).toEqual([]);
    expect(assembly.accept(chunk(1, 'b'))).toEqual([]);
    expect(assembly.hasGap).toBe(true);
    expect(textOf(assembly.accept(chunk(0, 'a')))).toBe('abc');
    expect(assembly.hasGap).toBe(false);
  });

  it('takes only the new part of a chunk that another host cut differently', () => {
    const assembly = new ChunkAssembly(64);
    assembly.accept(chunk(0, 'a'));
    assembly.accept(chunk(1, 'b'));
    expect(assembly.accept(chunk(1, 'b', 'c'))).toEqual([chunk(2, 'c')]);
  });

  it('ignores a differently cut chunk whose text does not continue what was given out', () => {
    const assembly = new ChunkAssembly(64);
    assembly.accept(chunk(0, 'a', 'b'));
    expect(assembly.accept(chunk(0, 'a', 'X', 'c'))).toEqual([]);
  });

  it('gives the held-back text of a chunk without tokens out once', () => {
    const assembly = new ChunkAssembly(64);
    assembly.accept(chunk(0, 'a'));
    const tail: GenerateChunk = { index: 1, text: '!', tokens: [] };
    expect(assembly.accept(tail)).toEqual([tail]);
    expect(assembly.accept(tail)).toEqual([]);
  });

  it('completes what never came from the committed output', () => {
    const assembly = new ChunkAssembly(64);
    assembly.accept(chunk(0, 'a', 'b'));
    assembly.accept(chunk(3, 'd'));
    expect(assembly.complete({ ...output, finishReason: 'length' })).toEqual({
      kind: 'completed',
      rest: { index: 2, text: 'cd', tokens: [102, 103], finishReason: 'length' },
    });
  });

  it('adds nothing where everything came, with the reason of its end', () => {
    const assembly = new ChunkAssembly(64);
    assembly.accept({ ...chunk(0, 'a', 'b', 'c', 'd'), finishReason: 'stop' });
    const completion = assembly.complete({ ...output, finishReason: 'stop' });
    expect(completion).toEqual({ kind: 'completed', rest: undefined });
  });

  it('says where the text given out differs from the committed one', () => {
    const assembly = new ChunkAssembly(64);
    assembly.accept(chunk(0, 'a', 'X'));
    const completion = assembly.complete({ ...output, finishReason: 'stop' });
    expect(completion).toEqual({ kind: 'diverged', atCharacter: 1 });
  });
});

describe('the text of a generation', () => {
  it('is read from its output, and from nothing else', () => {
    const read = { text: 'a', tokens: [1], finishReason: 'stop' };
    expect(parseGeneratedText({ ...read, promptTokens: 3 })).toEqual(read);
    expect(parseGeneratedText({ embeddings: [] })).toBeUndefined();
    expect(parseGeneratedText({ ...read, tokens: ['1'] })).toBeUndefined();
  });
});
