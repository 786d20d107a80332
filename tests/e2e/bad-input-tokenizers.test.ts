/** Tokenizers of strangers that look for ever, or hoard memory: the task ends, its neighbours do not. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestSystem } from '../support/test-system';
import { shippedModel, startTestSystem } from '../support/test-system';

let system: TestSystem;
const folders: string[] = [];

beforeAll(async () => {
  // A small node: its threads have as little memory as there is.
  system = await startTestSystem({ workerEnv: { LLMOS_MEMORY_BYTES: String(2 * 1024 ** 3) } });
});
afterAll(async () => {
  await system?.stop();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

async function addWith(name: string, parts: Readonly<Record<string, unknown>>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'llmos-bad-tokenizer-'));
  folders.push(folder);
  cpSync(shippedModel('mini-encoder'), folder, { recursive: true });
  const path = join(folder, 'tokenizer.json');
  const tokenizer = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify({ ...tokenizer, ...parts }));
  await system.addModel(name, folder);
  await embed(name, 'hello');
}

async function embed(model: string, text: string, maxAttempts = 1): Promise<number> {
  const task = await system.os.submit('embed', { model, text, truncate: true }, { maxAttempts });
  return (await task.result()).embeddings.length;
}

const hostOf = async (model: string) =>
  (await system.os.ps()).find((row) => row.model.startsWith(model) && row.state === 'ready');

it('a pattern that looks for ever ends its task, and nothing else', async () => {
  const pattern = { Regex: '^(a+)+$' };
  const split = { type: 'Split', pattern, behavior: 'Isolated', invert: false };
  await addWith('exploding', { pre_tokenizer: split });
  const before = await hostOf('exploding');
  const stuck = embed('exploding', `${'a'.repeat(60)}!`);
  const beside = embed('exploding', 'beside it');
  await expect(stuck).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    retryable: false,
    message: expect.stringMatching(
      /the tokenizer takes more than \d+ ms to read 61 char/,
    ) as string,
  });
  expect(await beside).toBe(1);
  expect(await hostOf('exploding')).toMatchObject({
    osPid: before?.osPid,
    incarnation: before?.incarnation,
  });
});

it('one that hoards memory ends its task with the bound, and no other task of the process', async () => {
  const longer = { type: 'Replace', pattern: { String: '¤' }, content: '~'.repeat(1_000) };
  const each = { type: 'Split', pattern: { String: '~' }, behavior: 'Isolated', invert: false };
  await addWith('hoarding', { normalizer: longer, pre_tokenizer: each });
  const others = Array.from({ length: 12 }, (_, index) => embed('hoarding', `other ${index}`));
  const guilty = embed('hoarding', '¤'.repeat(100_000));
  const more = Array.from({ length: 12 }, (_, index) => embed('hoarding', `more ${index}`));
  await expect(guilty).rejects.toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    retryable: false,
    message: expect.stringMatching(/more than the \d+ bytes of memory of a thread/) as string,
  });
  // Each may run once only, and none of these runs counted.
  expect(await Promise.all([...others, ...more])).toEqual(Array(24).fill(1));
  expect(await embed('hoarding', 'hello')).toBe(1);
});
