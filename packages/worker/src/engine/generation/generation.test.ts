import type { GenerateInput, GenerateOutput } from '@llmos/base';
import type { GenerationSettings } from '../../models/model-settings';
import { characterTokenizer } from '../../testing/fake-decoder';
import type { EngineRequest } from '../engine';
import { Generation, joinSamples, sampleCountOf } from './generation';
import { readPrompt } from './prompt';
import { SamplingWorkspace, uniformOf } from '../sampling/sampling';

const VOCABULARY = 128;
const SETTINGS: GenerationSettings = {
  endIds: new Set([0]),
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
};
const WORKSPACE = new SamplingWorkspace();

/** Logits that depend on the whole history; the end token is likely now and then. */
function logitsAfter(history: readonly number[]): Float32Array {
  let hash = history.length;
  for (const id of history) hash = (Math.imul(hash, 31) + id) >>> 0;
  return Float32Array.from({ length: VOCABULARY }, (_, id) => 6 * uniformOf(hash, id));
}

function requestOf(input: GenerateInput, more: Partial<EngineRequest> = {}): EngineRequest {
  return {
    requestId: 1,
    function: 'generate',
    input,
    stream: false,
    resumeTokens: [],
    seedText: 'tenant/task',
    tenant: 'tenant',
    class: 'standard',
    priority: 0,
    sequence: 1,
    ...more,
  };
}

function start(
  input: GenerateInput,
  more: Partial<EngineRequest> = {},
  sampleIndex = 0,
  settings: Partial<GenerationSettings> = {},
  tokenizer = characterTokenizer,
): Generation {
  const model = {
    tokenizer,
    settings: { ...SETTINGS, ...settings },
    workspace: WORKSPACE,
    chatTemplate: undefined,
    maxTokens: 200,
    graph: { vocabularySize: VOCABULARY },
  };
  const request = requestOf(input, more);
  return new Generation(model, readPrompt(model, request), request, sampleIndex);
}

/** Runs to the end; every chunk must follow the one before. */
function finish(generation: Generation, after = 0): GenerateOutput {
  let next = after;
  let text = '';
  while (generation.finishReason === undefined) {
    const chunk = generation.advance(logitsAfter(generation.history));
    if (chunk.tokens.length === 0 && chunk.finishReason === undefined) continue;
    expect(chunk.index).toBe(next);
    expect(chunk.logprobs?.map((one) => one.token) ?? chunk.tokens).toEqual(chunk.tokens);
    next += chunk.tokens.length;
    text += chunk.text;
  }
  const output = generation.output();
  expect(output.text.endsWith(text)).toBe(true);
  expect(generation.textSoFar).toBe(output.text);
  return output;
}

const SAMPLED = { prompt: 'abc', maxTokens: 30, temperature: 0.9, seed: 7 };

describe('a generation', () => {
  it('has one history that grows, prompt first', () => {
    const generation = start(SAMPLED);
    const { history } = generation;
    expect([...history]).toEqual([97, 98, 99]);
    generation.advance(logitsAfter(history));
    expect([history.length, generation.tokenCount, generation.promptCount]).toEqual([4, 1, 3]);
    expect(history.at(-1)).toBe(generation.lastToken);
    expect(generation.tokens).toEqual(history.slice(3));
  });

  it('gives its first sample what a single one gives, and others something else', () => {
    const single = finish(start(SAMPLED));
    const samples = [0, 1, 2].map((index) => finish(start({ ...SAMPLED, n: 3 }, {}, index)));
    expect(samples[0]).toEqual(single);
    expect(new Set(samples.map((sample) => sample.text)).size).toBe(3);
    const joined = joinSamples(samples);
    expect(joined).toMatchObject(single);
    expect(joined.samples?.map((sample) => sample.text)).toEqual(samples.map((one) => one.text));
    expect(joined.samples?.[1]).not.toHaveProperty('promptTokens');
    expect(joinSamples([single])).toEqual(single);
    expect(sampleCountOf(requestOf({ prompt: 'a', n: 3 }))).toBe(3);
  });

  it('ends at a stop token, which is no part of the output', () => {
    const whole = finish(start(SAMPLED, {}, 0, { endIds: new Set() }));
    const stop = whole.tokens[4] as number;
    const cut = whole.tokens.indexOf(stop);
    const input = { ...SAMPLED, stopTokens: [stop] };
    const output = finish(start(input, {}, 0, { endIds: new Set() }));
    expect(output).toMatchObject({ tokens: whole.tokens.slice(0, cut), finishReason: 'stop' });
  });

  it('has the least number of tokens before an end, a stop token or a stop text', () => {
    const greedy = { prompt: 'abc', maxTokens: 30, logitBias: { '0': 100 } };
    expect(finish(start(greedy)).tokens).toEqual([]);
    const longer = finish(start({ ...greedy, minTokens: 5 }));
    expect([longer.tokens.length, longer.finishReason]).toEqual([5, 'stop']);
    expect(longer.tokens).not.toContain(0);
    const always = { prompt: 'abc', maxTokens: 30, logitBias: { '120': 100 } };
    expect(finish(start({ ...always, stopTokens: [120] })).tokens).toEqual([]);
    const other = finish(start({ ...always, stopTokens: [120], minTokens: 3 }));
    expect([other.tokens.length, other.tokens.includes(120)]).toEqual([3, false]);
    const text = finish(start({ ...always, stop: 'xx', minTokens: 6 }));
    expect([text.tokens.length, text.text, text.finishReason]).toEqual([7, 'xxxxx', 'stop']);
  });

  it('penalises what it has said', () => {
    const loud = { prompt: 'abc', maxTokens: 4, logitBias: { '120': 30 } };
    expect(finish(start(loud)).text).toBe('xxxx');
    expect(finish(start({ ...loud, repetitionPenalty: 100 })).text.slice(1)).not.toContain('x');
    const often = { ...loud, maxTokens: 30, frequencyPenalty: 2 };
    expect(finish(start(often)).text.startsWith('xxxxxxxxxxxx')).toBe(true);
    expect(finish(start(often)).text.endsWith('x')).toBe(false);
  });

  it('tells the log-probabilities of each token, as the model gave them', () => {
    const input = { ...SAMPLED, topLogprobs: 2, repetitionPenalty: 1.5, minTokens: 30 };
    const { tokens, logprobs } = finish(start(input));
    expect(logprobs?.map((one) => one.token)).toEqual(tokens);
    const history = [97, 98, 99];
    for (const one of logprobs ?? []) {
      const logits = logitsAfter(history);
      const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
      expect(one.logprob).toBeCloseTo((logits[one.token] as number) - Math.log(sum), 4);
      expect(one.text).toBe(String.fromCodePoint(one.token));
      const sorted = [...logits].sort((a, b) => b - a);
      expect(one.top.map((item) => logits[item.token])).toEqual(sorted.slice(0, 2));
      history.push(one.token);
    }
    const { logprobs: _, ...rest } = finish(start(input));
    const { topLogprobs: __, ...plain } = input;
    expect(finish(start(plain))).toEqual(rest);
  });

  it('tells the text of each token as the output has it, spaces included', () => {
    const tokenizer = {
      ...characterTokenizer,
      // As sentence-piece decoders do.
      decode: (ids: readonly number[]) => characterTokenizer.decode(ids).replace(/^ /, ''),
    };
    const input = { ...SAMPLED, topLogprobs: 1, logitBias: { '32': 5 } };
    const { logprobs = [], text } = finish(start(input, {}, 0, {}, tokenizer));
    expect(text).toMatch(/\S +\S/);
    expect(logprobs.map((one) => one.text).join('')).toBe(text);
    const spaces = logprobs.flatMap(({ top }) => top).filter(({ token }) => token === 32);
    expect(new Set(spaces.map((one) => one.text))).toEqual(new Set([' ']));
  });

  it.each([{}, { topLogprobs: 1 }, { stop: 'qq', presencePenalty: 1 }])(
    'resumes after any number of tokens as if it had never stopped: %j',
    (more) => {
      const input = { ...SAMPLED, ...more };
      const whole = finish(start(input));
      for (let count = 0; count <= whole.tokens.length; count += 1) {
        const resumeTokens = whole.tokens.slice(0, count);
        const generation = start(input, { resumeTokens });
        expect(finish(generation, count)).toEqual(whole);
        expect(generation.endChunk().finishReason).toBe(whole.finishReason);
      }
      const second = start({ ...input, n: 2 }, { resumeTokens: whole.tokens.slice(0, 3) }, 1);
      expect(second.tokenCount).toBe(0);
    },
  );
});

describe('settings that can’t be met', () => {
  it.each<[string, GenerateInput, Partial<EngineRequest>, RegExp]>([
    ['several samples in a stream', { n: 2 }, { stream: true }, /n is 2, .* one sample/],
    ['more tokens at least than at most', { minTokens: 9, maxTokens: 8 }, {}, /9, more .* 8$/],
    ['at least more than the default', { minTokens: 129 }, {}, /129, more .* 128$/],
    ['an unknown stop token', { stopTokens: [5, 128] }, {}, /token 128 .* 128$/],
    ['a bias of an unknown token', { logitBias: { '4000': 1 } }, {}, /token 4000 is outside/],
  ])('are refused: %s', (_, input, more, message) => {
    expect(() => start({ prompt: 'abc', ...input }, more)).toThrow(message);
  });
});
