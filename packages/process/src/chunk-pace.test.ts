import { ChunkPace } from './chunk-pace';
import { PROCESS_LIMITS } from './limits';

describe('chunk pace', () => {
  it('waits the longer the more streams run, up to a bound', () => {
    const pace = new ChunkPace(2);
    const end = pace.begin();
    expect(pace.waitMs).toBe(2);
    for (let count = 1; count < 16; count += 1) pace.begin();
    expect(pace.waitMs).toBe(32);
    end();
    end();
    expect(pace.waitMs).toBe(30);
    for (let count = 0; count < 10_000; count += 1) pace.begin();
    expect(pace.waitMs).toBe(PROCESS_LIMITS.maxChunkWaitMs);
  });

  it('of 0 never waits', () => {
    const pace = new ChunkPace(0);
    pace.begin();
    expect(pace.waitMs).toBe(0);
  });
});
