/** Prompts of a like length that begin differently, so that no cache knows their beginning. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

interface Tokenizer {
  encode(text: string): { readonly ids: readonly number[] };
}

// A package of ES modules, whose CommonJS build has to be required.
const { Tokenizer } = createRequire(__filename)('@huggingface/tokenizers') as {
  readonly Tokenizer: new (file: object, config: object) => Tokenizer;
};

const SENTENCES = [
  'Once upon a time there lived a poor woodcutter with his wife and two children.',
  'The old king called his three sons and said that he was tired of the crown.',
  'In the middle of the dark forest stood a little house with a red door.',
  'A fox came to the river and asked the miller for a place in his boat.',
  'The youngest daughter opened the window and saw a white bird in the snow.',
] as const;
/** The storyteller's tokenizer begins every prompt with it. */
const FIRST_ID = 0;

export class PromptMaker {
  private readonly tokenizer: Tokenizer;
  private made = 0;

  /** @param folder the package of the model. */
  constructor(folder: string) {
    const json = (name: string): object =>
      JSON.parse(readFileSync(join(folder, name), 'utf8')) as object;
    this.tokenizer = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
  }

  take(count: number): string[] {
    return Array.from({ length: count }, () => {
      this.made += 1;
      const first = SENTENCES[this.made % SENTENCES.length] ?? '';
      const second = SENTENCES[(this.made + 1) % SENTENCES.length] ?? '';
      return `Story ${this.made}. ${first} ${second}`;
    });
  }

  /** As llmos reads them. */
  idsOf(text: string): readonly number[] {
    return [FIRST_ID, ...this.tokenizer.encode(text).ids];
  }
}
