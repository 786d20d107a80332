import { ENGINE_LIMITS } from '../limits';
import { fitsMemory, roomFor } from './row-room';

const bounds = { maxRows: 16, maxTokens: 1024, bytesPerToken: ENGINE_LIMITS.maxKvBytes / 2048 };

describe('room for rows', () => {
  it('grows to powers of two, then to what is needed, and gives up unused room before it fails', () => {
    const none = { rows: 0, tokens: 0 };
    expect(roomFor(none, { rows: 3, tokens: 100 }, bounds)).toEqual({ rows: 4, tokens: 128 });
    expect(roomFor(none, { rows: 3, tokens: 600 }, bounds)).toEqual({ rows: 3, tokens: 600 });
    const wide = { rows: 8, tokens: 256 };
    expect(roomFor(wide, { rows: 2, tokens: 900 }, bounds)).toEqual({ rows: 2, tokens: 900 });
    expect(
      [900, 1024, 1025].map((tokens) => fitsMemory({ rows: 2, tokens }, bounds.bytesPerToken)),
    ).toEqual([true, true, false]);
    expect(() => roomFor(wide, { rows: 3, tokens: 900 }, bounds)).toThrow(/3 sequences of 900/);
  });
});
