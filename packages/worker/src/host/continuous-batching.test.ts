/**
 * Continuous batching on real models: what a generation gives depends on nothing but itself.
 * Seeded; LLMOS_SEED repeats a run.
 */
import { seededRandom } from '@llmos/base';
import { DrivenThread } from '../testing/driven-thread';
import { generateAlone, generateMixed, randomInput } from '../testing/mixed-generations';
import { sharedModel, shippedModel } from '../testing/model-folders';
import type { StorytellerVariant } from '../testing/storyteller-variants';
import { writeStoryteller } from '../testing/storyteller-variants';

jest.setTimeout(600_000);

const SEED = Number(process.env['LLMOS_SEED'] ?? 1);

interface Subject {
  readonly name: string;
  readonly folder: string | undefined;
  /** Made of the shipped model for this test. */
  readonly variant?: StorytellerVariant;
  readonly promptCount: number;
}

const storyteller = (variant: StorytellerVariant): Subject => ({
  ...{ name: `storyteller in ${variant}`, folder: '', variant, promptCount: 200 },
});

/** Of each kind of graph one: rows in one buffer, of each precision, and what appends to its past. */
const SUBJECTS: readonly Subject[] = [
  { name: 'storyteller', folder: shippedModel('storyteller'), promptCount: 200 },
  storyteller('q8'),
  storyteller('q4'),
  storyteller('float16'),
  { name: 'stories260K', folder: sharedModel('stories260K'), promptCount: 60 },
  { name: 'tiny-random-gpt2', folder: sharedModel('tiny-random-gpt2'), promptCount: 60 },
  {
    name: 'tiny-random-llama-fp16',
    folder: sharedModel('tiny-random-llama-fp16'),
    promptCount: 60,
  },
];

const cleanups: (() => void)[] = [];
afterEach(() => cleanups.splice(0).forEach((cleanup) => cleanup()));

async function open(folder: string, generation: { maxRows: number; maxSavedBytes: number }) {
  const thread = await DrivenThread.load(folder, {
    generation: { ...generation, maxPrefixBytes: generation.maxRows === 1 ? 0 : 2 ** 24 },
  });
  cleanups.push(() => thread.stop());
  return thread;
}

function folderOf(subject: Subject): string {
  if (subject.variant === undefined) return subject.folder ?? '';
  const written = writeStoryteller(subject.variant);
  cleanups.push(() => written.remove());
  return written.folder;
}

describe('continuous batching', () => {
  for (const subject of SUBJECTS) {
    const test = subject.folder === undefined ? it.skip : it;
    const needs = subject.folder === undefined ? ` (needs shared/models/${subject.name})` : '';
    test(`${subject.name}: gives each the tokens that it gets alone${needs}`, async () => {
      const random = seededRandom(SEED);
      const inputs = Array.from({ length: subject.promptCount }, () => randomInput(random));
      const folder = folderOf(subject);
      const alone = await open(folder, { maxRows: 1, maxSavedBytes: 0 });
      const expected = await generateAlone(alone, inputs);
      alone.stop();
      // Small enough that some contexts are dropped and computed again.
      const mixed = await open(folder, { maxRows: 8, maxSavedBytes: 2 ** 20 });
      const { outputs, returns } = await generateMixed(mixed, inputs, random);
      inputs.forEach((input, index) => {
        expect([SEED, index, input, outputs[index]]).toEqual([SEED, index, input, expected[index]]);
      });
      // A preemption of a few may come after their end each time.
      if (subject.promptCount >= 200) expect(returns).toBeGreaterThan(0);
      // Where a tokenizer has more tokens than its model, most are refused, and too few run at once.
      const ran = expected.filter((output) => typeof output !== 'string').length;
      if (ran >= 24) expect(mixed.contexts?.switches).toBeGreaterThan(0);
    });
  }
});
