/** Small requests whose answers would take gigabytes: each is refused, and the process lives on. */
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';

let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem({ models: ['mini-encoder'] });
});
afterAll(() => system?.stop());

it('refuses an infer of half a megabyte before it runs, and keeps its process', async () => {
  const { os } = system;
  expect((await os.embed({ model: 'mini-encoder', text: 'a' })).embeddings).toHaveLength(1);
  const before = await processOf();
  // A hundred thousand tokens: each of them is a vector of the answer.
  const [rows, length] = [480, 200];
  const tensor = {
    type: 'int64',
    dims: [rows, length],
    data: Array(rows * length).fill(1),
  } as const;
  const inputs = { input_ids: tensor, attention_mask: tensor, token_type_ids: tensor };
  for (let round = 0; round < 3; round += 1) {
    await expect(os.infer({ model: 'mini-encoder', inputs })).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      retryable: false,
      message: expect.stringMatching(
        /the answer would have at least \d+ bytes .*480, 200/,
      ) as string,
    });
  }
  expect((await os.embed({ model: 'mini-encoder', text: 'a' })).embeddings).toHaveLength(1);
  expect(await processOf()).toEqual(before);
});

async function processOf() {
  const rows = await system.os.ps();
  return rows.map(({ pid, incarnation, osPid }) => ({ pid, incarnation, osPid }));
}
