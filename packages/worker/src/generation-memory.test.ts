/** Generations leave no memory behind, neither one after the other nor side by side. */
import { DrivenThread, jsonRequest } from './testing/driven-thread';
import { shippedModel } from './testing/model-folders';

jest.setTimeout(600_000);

/** Every other one is sampled, and each prompt is its own, so that the prefix cache is in use. */
const requestOf = (id: number) =>
  jsonRequest(id, 'generate', {
    prompt: `Once upon a time there were ${id} little dogs, and one of them said to the king`,
    maxTokens: 4,
    temperature: id % 2,
  });

describe('memory', () => {
  it('is flat over 1,000 generations, one after the other and 16 at a time', async () => {
    const generation = { maxPrefixBytes: 2 ** 22 };
    const thread = await DrivenThread.load(shippedModel('storyteller'), { generation });
    try {
      let nextId = 1;
      const generate = async (total: number, atOnce: number) => {
        for (let done = 0; done < total; done += atOnce) {
          await thread.run(Array.from({ length: atOnce }, () => requestOf(nextId++)));
        }
        return thread.residentBytes();
      };
      await generate(320, 16);
      const warm = await generate(500, 1);
      const single = await generate(500, 1);
      const many = await generate(512, 16);
      if (warm === undefined || single === undefined || many === undefined) return;
      expect(single / warm).toBeLessThan(1.05);
      expect(many / warm).toBeLessThan(1.05);
    } finally {
      thread.stop();
    }
  });
});
