import { readGenerationSettings } from './model-settings';

function settingsOf(generationConfig: Record<string, unknown>) {
  const none = { config: {}, tokenizerConfig: {}, genaiConfig: {}, pooling: {} };
  return readGenerationSettings({ ...none, generationConfig, sentenceConfig: {} }, 2);
}

const SAMPLING = { temperature: 0.7, top_k: 40, top_p: 0.9, min_p: 0.05 };

describe('a model’s own sampling', () => {
  it('is greedy unless the model says that it samples', () => {
    const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0 };
    expect(settingsOf({})).toMatchObject({ ...greedy, repetitionPenalty: 1 });
    expect(settingsOf({ ...SAMPLING, repetition_penalty: 1.2 })).toMatchObject({
      ...greedy,
      repetitionPenalty: 1.2,
    });
  });

  it('is what its files say', () => {
    expect(settingsOf({ do_sample: true, ...SAMPLING })).toMatchObject({
      temperature: 0.7,
      topK: 40,
      topP: 0.9,
      minP: 0.05,
    });
    expect(settingsOf({ do_sample: true }).temperature).toBe(1);
  });

  it('leaves out what makes no sense', () => {
    const wrong = { do_sample: true, temperature: -1, top_k: -5, top_p: 7, min_p: 3 };
    expect(settingsOf({ ...wrong, repetition_penalty: 0 })).toMatchObject({
      temperature: 0,
      topK: 0,
      topP: 1,
      minP: 0,
      repetitionPenalty: 1,
    });
  });

  it('ends at one token or several, or at the tokenizer’s own', () => {
    expect([...settingsOf({ eos_token_id: [3, 4] }).endIds]).toEqual([3, 4]);
    expect([...settingsOf({ eos_token_id: 5 }).endIds]).toEqual([5]);
    expect([...settingsOf({}).endIds]).toEqual([2]);
  });
});
