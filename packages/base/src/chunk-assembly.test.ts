import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ChunkAssembly, parseGeneratedText } from './chunk-assembly';
import type { GenerateChunk } from './functions/function-types';

function chunk(index: number, ...texts: readonly string[]): GenerateChunk {
  return { index, text: texts.join(''), tokens: texts.map((_, at) => 100 + index + at) };
}
function textOf(chunks: readonly GenerateChunk[]): string {
  return chunks.map((each) => each.text).join('');
}
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
function usedBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

const EARLY = { maxChunks: 64, maxBytes: 1024 };
const output = { text: 'abcd', tokens: [100, 101, 102, 103], promptTokens: 1 } as const;

describe('ChunkAssembly', () => {
  it('gives chunks out as they come while they are in order', () => {
    const assembly = new ChunkAssembly(EARLY);
    expect(assembly.accept(chunk(0, 'a'))).toEqual([chunk(0, 'a')]);
    expect(assembly.accept(chunk(1, 'b', 'c'))).toEqual([chunk(1, 'b', 'c')]);
    expect(assembly.hasGap).toBe(false);
  });

  it('gives a doubled chunk out once', () => {
    const assembly = new ChunkAssembly(EARLY);
    assembly.accept(chunk(0, 'a', 'b'));
    expect(assembly.accept(chunk(0, 'a', 'b'))).toEqual([]);
    expect(assembly.accept(chunk(1, 'b'))).toEqual([]);
  });

  it('keeps no more early chunks than it may', () => {
    const assembly = new ChunkAssembly({ ...EARLY, maxChunks: 1 });
    assembly.accept(chunk(1, 'b'));
    assembly.accept(chunk(2, 'c'));
    expect(textOf(assembly.accept(chunk(0, 'a')))).toBe('ab');
    expect(textOf(assembly.accept(chunk(2, 'c')))).toBe('c');
  });

  it('keeps no more bytes of early chunks than it may, but shows the gap of a larger one', () => {
    const assembly = new ChunkAssembly(EARLY);
    const large = (index: number): GenerateChunk => chunk(index, 'x'.repeat(400));
    for (const index of [2, 3, 4]) assembly.accept(large(index));
    expect(assembly.hasGap).toBe(true);
    assembly.accept(chunk(1, 'b'));
    expect(assembly.accept(chunk(0, 'a'))).toHaveLength(1);
    expect(assembly.accept(chunk(1, 'b'))).toEqual([chunk(1, 'b'), large(2)]);
    expect(assembly.hasGap).toBe(false);
    // What was taken counts no more, nor does one that came twice.
    for (const text of ['e', 'e', 'e']) assembly.accept(chunk(4, text.repeat(120)));
    assembly.accept(chunk(5, 'f'.repeat(120)));
    expect(assembly.accept(large(3))).toHaveLength(3);
  });

  it('holds an early chunk until the one before it has come', () => {
    const assembly = new ChunkAssembly(EARLY);
    expect(assembly.accept(chunk(2, 'c'))).toEqual([]);
    expect(assembly.accept(chunk(1, 'b'))).toEqual([]);
    expect(assembly.hasGap).toBe(true);
    expect(textOf(assembly.accept(chunk(0, 'a')))).toBe('abc');
    expect(assembly.hasGap).toBe(false);
  });

  it('takes only the new part of a chunk that another host cut differently', () => {
    const assembly = new ChunkAssembly(EARLY);
    assembly.accept(chunk(0, 'a'));
    assembly.accept(chunk(1, 'b'));
    expect(assembly.accept(chunk(1, 'b', 'c'))).toEqual([chunk(2, 'c')]);
  });

  it('ignores a differently cut chunk whose text does not continue what was given out', () => {
    const assembly = new ChunkAssembly(EARLY);
    assembly.accept(chunk(0, 'a', 'b'));
    expect(assembly.accept(chunk(0, 'a', 'X', 'c'))).toEqual([]);
  });

  it('gives the held-back text of a chunk without tokens out once', () => {
    const assembly = new ChunkAssembly(EARLY);
    assembly.accept(chunk(0, 'a'));
    const tail: GenerateChunk = { index: 1, text: '!', tokens: [] };
    expect(assembly.accept(tail)).toEqual([tail]);
    expect(assembly.accept(tail)).toEqual([]);
  });

  it('completes what never came from the committed output', () => {
    const assembly = new ChunkAssembly(EARLY);
    assembly.accept(chunk(0, 'a', 'b'));
    assembly.accept(chunk(3, 'd'));
    expect(assembly.complete({ ...output, finishReason: 'length' })).toEqual({
      kind: 'completed',
      rest: { index: 2, text: 'cd', tokens: [102, 103], finishReason: 'length' },
    });
  });

  it('adds nothing where everything came, with the reason of its end', () => {
    const assembly = new ChunkAssembly(EARLY);
    assembly.accept({ ...chunk(0, 'a', 'b', 'c', 'd'), finishReason: 'stop' });
    const completion = assembly.complete({ ...output, finishReason: 'stop' });
    expect(completion).toEqual({ kind: 'completed', rest: undefined });
  });

  it('says where the text given out differs from the committed one', () => {
    const assembly = new ChunkAssembly(EARLY);
    assembly.accept(chunk(0, 'a', 'X'));
    const completion = assembly.complete({ ...output, finishReason: 'stop' });
    expect(completion).toEqual({ kind: 'diverged', atCharacter: 1 });
  });
});

it('holds little of a long generation, and still tells where it differs and what is missing', () => {
  const count = 30_000;
  const assembly = new ChunkAssembly(EARLY);
  const before = usedBytes();
  for (let index = 0; index < count; index += 1) assembly.accept(chunk(index, ` word${index % 9}`));
  expect(usedBytes() - before).toBeLessThan(500_000);

  const text = Array.from({ length: count }, (_, index) => ` word${index % 9}`).join('');
  const end = { tokens: [], finishReason: 'stop' } as const;
  const complete = (of: string) => assembly.complete({ ...end, text: of });
  expect(complete(`${text}, and more`)).toMatchObject({ rest: { text: ', and more' } });
  const changed = (at: number): string => `${text.slice(0, at)}X${text.slice(at + 1)}`;
  const near = text.length - 100;
  expect(complete(changed(near))).toEqual({ kind: 'diverged', atCharacter: near });
  // So far back only that it differs is known.
  expect(complete(changed(7))).toMatchObject({ kind: 'diverged' });
  expect(complete(text.slice(0, 7))).toMatchObject({ kind: 'diverged' });
  expect(complete(text.slice(0, near))).toMatchObject({ kind: 'completed' });
  // Cut differently, as far back as a chunk may begin.
  const recut = chunk(count - 500, text.slice(-500 * 6), '!');
  const whole = { ...recut, tokens: Array.from({ length: 501 }, () => 1) };
  expect(assembly.accept(whole)).toMatchObject([{ index: count, text: '!', tokens: [1] }]);
});

it('holds no text of a chunk that is larger than any of ours', () => {
  const assembly = new ChunkAssembly(EARLY);
  const large = 'x'.repeat(300_000);
  expect(assembly.accept(chunk(0, large, 'a'))).toHaveLength(1);
  expect(assembly.accept(chunk(0, large, 'a', 'b'))).toEqual([]);
  expect(assembly.accept(chunk(2, 'b'))).toHaveLength(1);
  const all = { tokens: [100, 101, 102], finishReason: 'stop' } as const;
  const completion = assembly.complete({ ...all, text: `${large}ab` });
  expect(completion).toMatchObject({ kind: 'completed', rest: { text: '', tokens: [] } });
});

describe('the text of a generation', () => {
  it('is read from its output, and from nothing else', () => {
    const read = { text: 'a', tokens: [1], finishReason: 'stop' };
    expect(parseGeneratedText({ ...read, promptTokens: 3 })).toEqual(read);
    expect(parseGeneratedText({ embeddings: [] })).toBeUndefined();
    expect(parseGeneratedText({ ...read, tokens: ['1'] })).toBeUndefined();
  });
});
