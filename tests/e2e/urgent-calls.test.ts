/** A call in the foreground does not wait for the bulk that runs when it comes. */
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem({ models: ['mini-encoder'] });
  await system.os.embed({ model: 'mini-encoder', text: 'loads it' });
});
afterAll(() => system?.stop());

it('an interactive embed is answered while batch embeds of many texts hold every thread', async () => {
  const words = 'a long text that fills what the model reads of one '.repeat(11);
  const texts = Array.from({ length: 650 }, (_, index) => `${index} ${words}`);
  const ended: string[] = [];
  // As many as the process has threads; none ends for seconds.
  const bulk = Array.from({ length: 2 }, async (_, index) => {
    const input = { model: 'mini-encoder', texts, truncate: true };
    const { embeddings } = await system.os.embed(input, { class: 'batch', id: `bulk-${index}` });
    ended.push(`bulk-${index}`);
    return embeddings;
  });
  await waitFor(async () => (await system.os.ps()).some((row) => row.running === bulk.length), {
    what: 'all of the bulk to run',
  });
  const { embeddings } = await system.os.embed({ model: 'mini-encoder', text: 'urgent' });
  ended.push('urgent');
  expect(embeddings).toHaveLength(1);
  expect(ended).toEqual(['urgent']);
  const all = await Promise.all(bulk);
  // What was interrupted is as whole as what was not.
  expect(all.map((each) => each.length)).toEqual([650, 650]);
  for (const each of all) expect(each).toEqual(all[0]);
});
