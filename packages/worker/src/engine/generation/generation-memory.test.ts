/** Generations leave no memory behind, neither one after the other nor side by side. */
import { DrivenThread, jsonRequest } from '../../testing/driven-thread';
import { shippedModel } from '../../testing/model-folders';

jest.setTimeout(1_200_000);

/** Generations between two looks at the memory. */
const SAMPLE_EACH = 16;

/** Every other one is sampled, and each prompt is its own, so that the prefix cache is in use. */
const requestOf = (id: number) =>
  jsonRequest(id, 'generate', {
    prompt: `Once upon a time there were ${id} little dogs, and one of them said to the king`,
    maxTokens: 4,
    temperature: id % 2,
  });

describe('memory', () => {
  it('is flat over 1,600 generations one after the other, and 1,008, 16 at a time', async () => {
    const generation = { maxPrefixBytes: 2 ** 22 };
    const thread = await DrivenThread.load(shippedModel('storyteller'), { generation });
    try {
      let nextId = 1;
      /** Resident memory in the last quarter of the generations, as a share of the first one's. */
      const growthOver = async (total: number, atOnce: number) => {
        const samples: number[] = [];
        for (let done = atOnce; done <= total; done += atOnce) {
          await thread.run(Array.from({ length: atOnce }, () => requestOf(nextId++)));
          if (done % SAMPLE_EACH === 0) samples.push((await thread.residentBytes()) ?? 1);
        }
        const quarter = Math.floor(samples.length / 4);
        return median(samples.slice(-quarter)) / median(samples.slice(0, quarter));
      };
      // Heaps and the rows of both ways find their size.
      await growthOver(320, 1);
      await growthOver(640, 16);
      // A quarter is longer than the time in which allocators come and go.
      expect(await growthOver(1_600, 1)).toBeLessThan(1.05);
      expect(await growthOver(1_008, 16)).toBeLessThan(1.05);
    } finally {
      thread.stop();
    }
  });
});

/** One sample alone says more of the collector's last turn than of growth. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
