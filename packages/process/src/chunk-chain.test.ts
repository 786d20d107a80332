import type { GenerateChunk } from '@llmos/base';
import type { ChainState } from './chunk-chain';
import { EMPTY_CHAIN, applyStored, checkPiece, isReplaced } from './chunk-chain';

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
const chain = (nextIndex: number, isFinished = false): ChainState => ({
  lastSequence: 9,
  nextIndex,
  tokens: [],
  textLength: 0,
  isFinished,
});

describe('chunk chain', () => {
  it('collects the tokens of earlier attempts', () => {
    const state = applyStored(EMPTY_CHAIN, [stored(3, piece(0, 7)), stored(5, piece(1, 8, 9))], 5);
    expect(state).toEqual({
      lastSequence: 5,
      nextIndex: 3,
      tokens: [7, 8, 9],
      textLength: 6,
      isFinished: false,
    });
  });

  it('knows how much text there is only where each chunk follows the one before', () => {
    const whole = applyStored(EMPTY_CHAIN, [stored(1, piece(0, 1, 2)), stored(2, piece(0, 1))], 2);
    expect(whole.textLength).toBe(4);
    const overlapping = applyStored(whole, [stored(3, piece(1, 2, 3))], 3);
    expect(overlapping.textLength).toBeUndefined();
    const torn = applyStored(whole, [stored(3, piece(5, 2)), stored(4, piece(6, 2))], 4);
    expect(torn.textLength).toBeUndefined();
  });

  it('counts tokens that were streamed twice once', () => {
    const state = applyStored(
      EMPTY_CHAIN,
      [stored(1, piece(0, 7, 8)), stored(2, piece(1, 8, 9))],
      2,
    );
    expect(state.tokens).toEqual([7, 8, 9]);
  });

  it('resumes nothing where tokens are missing, but streams no token twice', () => {
    const state = applyStored(EMPTY_CHAIN, [stored(8, piece(4, 5))], 8);
    expect(state.tokens).toBeUndefined();
    expect(checkPiece(state, piece(3, 1))).toBe('stored');
    expect(checkPiece(state, piece(5, 1))).toBe('new');
  });

  it('passes over what is not a chunk', () => {
    const state = applyStored(EMPTY_CHAIN, [stored(1, undefined), stored(2, piece(0, 4))], 2);
    expect(state).toMatchObject({ lastSequence: 2, tokens: [4] });
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
