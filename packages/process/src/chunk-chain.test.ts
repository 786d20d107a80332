import type { GenerateChunk, StoredChunk } from '@llmos/base';
import { ChunkChain, checkPiece, isReplaced } from './chunk-chain';

const piece = (index: number, ...tokens: number[]): GenerateChunk => ({
  index,
  text: tokens.map((token) => `t${token}`).join(''),
  tokens,
});
const stored = (sequence: number, chunk: GenerateChunk | undefined, attempt = 1) => ({
  sequence,
  attempt,
  chunk,
});
const chain = (nextIndex: number, isFinished = false) => ({ nextIndex, isFinished });
function chainOf(...chunks: readonly StoredChunk[]): ChunkChain {
  const made = new ChunkChain();
  made.apply(chunks, chunks.at(-1)?.sequence ?? 0);
  return made;
}

describe('chunk chain', () => {
  it('collects the tokens of earlier attempts', () => {
    const state = chainOf(stored(3, piece(0, 7)), stored(5, piece(1, 8, 9)));
    expect(state).toMatchObject({
      lastSequence: 5,
      nextIndex: 3,
      tokens: [7, 8, 9],
      textLength: 6,
      isFinished: false,
    });
  });

  it('knows how much text there is only where each chunk follows the one before', () => {
    const whole = [stored(1, piece(0, 1, 2)), stored(2, piece(0, 1))];
    expect(chainOf(...whole).textLength).toBe(4);
    const overlapping = chainOf(...whole, stored(3, piece(1, 2, 3)));
    expect(overlapping.textLength).toBeUndefined();
    const torn = chainOf(...whole, stored(3, piece(5, 2)), stored(4, piece(6, 2)));
    expect(torn.textLength).toBeUndefined();
  });

  it('counts tokens that were streamed twice once', () => {
    const state = chainOf(stored(1, piece(0, 7, 8)), stored(2, piece(1, 8, 9)));
    expect(state.tokens).toEqual([7, 8, 9]);
  });

  it('resumes nothing where tokens are missing, but streams no token twice', () => {
    const state = chainOf(stored(8, piece(4, 5)));
    expect(state.tokens).toBeUndefined();
    expect(checkPiece(state, piece(3, 1))).toBe('stored');
    expect(checkPiece(state, piece(5, 1))).toBe('new');
  });

  it('passes over what is not a chunk', () => {
    const state = chainOf(stored(1, undefined), stored(2, piece(0, 4)));
    expect(state).toMatchObject({ lastSequence: 2, tokens: [4] });
  });

  it('grows one list of tokens, however many chunks come, and copies it for none of them', () => {
    const growing = new ChunkChain();
    const { tokens } = growing;
    for (let index = 0; index < 100; index += 1) {
      growing.apply([stored(index + 1, piece(index, index))], index + 1);
    }
    expect(growing.tokens).toBe(tokens);
    expect(tokens).toHaveLength(100);
  });

  it('gives way only to higher attempts', () => {
    expect(isReplaced(2, [stored(1, piece(0, 1), 1), stored(2, piece(1, 1), 2)])).toBe(false);
    expect(isReplaced(2, [stored(1, piece(0, 1), 3)])).toBe(true);
  });

  it('refuses to cut a piece in two', () => {
    expect(checkPiece(chain(2), piece(1, 5, 6))).toBe('overlaps');
    expect(checkPiece(chain(2), piece(2, 5, 6))).toBe('new');
    expect(checkPiece(chain(2), { index: 2, text: '', tokens: [], finishReason: 'stop' })).toBe(
      'new',
    );
    expect(
      checkPiece(chain(2, true), { index: 2, text: '', tokens: [], finishReason: 'stop' }),
    ).toBe('stored');
  });
});
