/** What the tour shows: which models, on which texts. */
export const TOUR_MODELS = {
  generate: 'storyteller',
  embed: 'mini-encoder',
  intents: 'support-intents',
  sentiment: 'finance-sentiment',
  extract: 'contract-entities',
} as const;

export const STORY = {
  prompt: 'Once upon a time there was a',
  maxTokens: 96,
  temperature: 0.8,
  topP: 0.95,
  repetitionPenalty: 1.1,
  seed: 11,
} as const;

export const SEARCH = {
  query: 'My new card has still not come.',
  sentences: [
    'How long does delivery of a card take?',
    'I want to change my PIN.',
    'Why was I charged a fee for a transfer?',
    'The cash machine kept my card.',
    'When will the card that I ordered be here?',
    'Which currencies can I hold?',
  ],
} as const;

export const MESSAGES = [
  'I am still waiting on my card, when will it arrive?',
  'Someone stole my wallet, please block everything',
  'The exchange rate on my purchase was wrong',
  'How do I top up with a cheque?',
] as const;

export const POSTS = [
  'Shares jump after the company raises its full-year forecast https://example.com/a1',
  'Regulators open an investigation into the bank, stock down 8%',
  'The board meets on Thursday https://example.com/b2',
] as const;

export const CONTRACT =
  'This Loan Agreement is made between Silicon Valley Bank and Acme Corporation, ' +
  'a Delaware corporation, and signed by John Smith in New York.';

/** Tasks of the batch that the interactive one overtakes. */
export const BATCH_TASKS = 100;
export const BATCH_PROMPT = { prompt: 'The king said', maxTokens: 12 } as const;
/** The interactive task comes once so many of the batch are done: the system is busy then. */
export const BUSY_AFTER = 4;

/** The sentiment model was trained on texts without addresses. */
export function withoutAddresses(text: string): string {
  return text
    .replace(/\bhttps?:\/\/\S+/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}
