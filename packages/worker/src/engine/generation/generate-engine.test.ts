import type { GenerateInput } from '@llmos/base';
import type { GenerationSettings } from '../../models/model-settings';
import { drive, engineOf, generateRequest as request } from '../../testing/driven-engine';
import { characterTokenizer } from '../../testing/fake-decoder';
import type { BetweenSteps, EngineOptions } from '../../testing/driven-engine';
import type { EngineRequest } from '../engine';

const own = (settings: Partial<GenerationSettings>): EngineOptions => ({ settings });
const upTo = (maxTokens: number): EngineOptions => ({ model: { maxTokens } });

const run = (options: EngineOptions, requests: readonly EngineRequest[], between?: BetweenSteps) =>
  drive(engineOf(options), requests, between);

const SAMPLED = { prompt: 'abc', maxTokens: 20, temperature: 0.8, topP: 0.9, topK: 40, seed: 7 };

describe('generate', () => {
  it('gives the same tokens whether the cache is shared, appended to, or fed in parts', async () => {
    const appended = await run({}, [request(SAMPLED)]);
    const shared = await run({ isShared: true }, [request(SAMPLED)]);
    expect(appended.output.tokens).toHaveLength(20);
    expect(shared.output).toEqual(appended.output);
    const long = { ...SAMPLED, prompt: 'x'.repeat(700) };
    const whole = await run(upTo(1000), [request(long)]);
    const parts = engineOf({ isShared: true, ...upTo(1000) });
    expect((await drive(parts, [request(long)])).output).toEqual(whole.output);
    expect(parts.runner.runs[0]).toHaveLength(256);
  });

  it('streams what it answers: chunks in order, text and tokens complete', async () => {
    const { chunks, output } = await run({}, [request(SAMPLED)]);
    expect(chunks.map((chunk) => chunk.index)).toEqual(chunks.map((_, index) => index));
    expect(chunks.flatMap((chunk) => chunk.tokens)).toEqual(output.tokens);
    expect(chunks.map((chunk) => chunk.text).join('')).toBe(output.text);
    expect(chunks.filter((chunk) => chunk.finishReason !== undefined)).toHaveLength(1);
    expect(chunks.at(-1)?.finishReason).toBe('length');
    const silent = await run({}, [request(SAMPLED, { stream: false })]);
    expect([silent.chunks, silent.output]).toEqual([[], output]);
  });

  it('says how fast tokens came, of each sample that has more than one', async () => {
    const paceOf = async (input: GenerateInput, more: Partial<EngineRequest> = {}) => {
      const { answers } = await run({}, [request(input, { stream: false, ...more })]);
      const answer = answers.get(1);
      return answer?.kind === 'done' ? answer.tokens?.tokenMs : undefined;
    };
    expect(await paceOf(SAMPLED)).toEqual([expect.any(Number)]);
    expect(await paceOf({ ...SAMPLED, maxTokens: 1 })).toEqual([]);
    expect(await paceOf({ ...SAMPLED, n: 3 })).toHaveLength(3);
    // One token is left for this attempt: what came before had a pace of its own.
    const { tokens } = (await run({}, [request(SAMPLED)])).output;
    expect(await paceOf(SAMPLED, { resumeTokens: tokens.slice(0, -1) })).toEqual([]);
    expect(await paceOf(SAMPLED, { resumeTokens: tokens.slice(0, -2) })).toHaveLength(1);
    expect(await paceOf(SAMPLED, { resumeTokens: tokens })).toEqual([]);
  });

  it('tells of the first token of a request that does not stream, and only there', async () => {
    const beganOf = async (input: GenerateInput, more: Partial<EngineRequest> = {}) =>
      (await run({}, [request(input, { stream: false, ...more })])).began;
    expect(await beganOf(SAMPLED)).toEqual([1]);
    expect(await beganOf({ ...SAMPLED, n: 3 })).toEqual([1]);
    expect(await beganOf(SAMPLED, { stream: true })).toEqual([]);
    const { tokens } = (await run({}, [request(SAMPLED)])).output;
    expect(await beganOf(SAMPLED, { resumeTokens: tokens.slice(0, 3) })).toEqual([]);
    const endIds = new Set(tokens.slice(0, 1));
    const empty = await run(own({ endIds }), [request(SAMPLED, { stream: false })]);
    expect([empty.output.tokens, empty.began]).toEqual([[], []]);
  });

  it('resumes after any number of tokens as if it had never stopped', async () => {
    const input = { ...SAMPLED, stop: ['qqqq'], repetitionPenalty: 1.3 };
    const whole = await run({}, [request(input)]);
    for (let count = 0; count <= whole.output.tokens.length; count += 1) {
      const resumeTokens = whole.output.tokens.slice(0, count);
      const rest = await run({}, [request(input, { resumeTokens })]);
      expect(rest.output).toEqual(whole.output);
      const before = whole.chunks.slice(0, count);
      const texts = [...before, ...rest.chunks].map((chunk) => chunk.text);
      expect(texts.join('')).toBe(whole.output.text);
      expect(rest.chunks[0]?.index).toBe(count);
      expect(rest.chunks.at(-1)?.finishReason).toBe('length');
    }
  });

  it('draws by the seed, or by the task where none is given', async () => {
    const { seed: _, ...unseeded } = SAMPLED;
    const tokens = async (input: GenerateInput, seedText: string) =>
      (await run({}, [request(input, { seedText })])).output.tokens;
    expect(await tokens(SAMPLED, 'a')).toEqual(await tokens(SAMPLED, 'b'));
    expect(await tokens(unseeded, 'a')).toEqual(await tokens(unseeded, 'a'));
    expect(await tokens(unseeded, 'a')).not.toEqual(await tokens(unseeded, 'b'));
    expect(await tokens({ ...SAMPLED, seed: 8 }, 'a')).not.toEqual(await tokens(SAMPLED, 'a'));
  });

  it('ends at an end token, which is no part of the output', async () => {
    const greedy = { prompt: 'abc', maxTokens: 20 };
    const whole = await run({}, [request(greedy)]);
    const end = whole.output.tokens[5] ?? 0;
    const cut = whole.output.tokens.indexOf(end);
    const { output, chunks } = await run(own({ endIds: new Set([end]) }), [request(greedy)]);
    expect(output).toMatchObject({
      tokens: whole.output.tokens.slice(0, cut),
      finishReason: 'stop',
    });
    expect(chunks.at(-1)).toMatchObject({ index: cut, tokens: [], finishReason: 'stop' });
  });

  it('ends before a stop text', async () => {
    const greedy = { prompt: 'abc', maxTokens: 20 };
    const whole = await run({}, [request(greedy)]);
    const stop = whole.output.text.slice(4, 7);
    const { output, chunks } = await run({}, [request({ ...greedy, stop })]);
    expect(output.finishReason).toBe('stop');
    expect(output.text).toBe(whole.output.text.slice(0, whole.output.text.indexOf(stop)));
    expect(chunks.map((chunk) => chunk.text).join('')).toBe(output.text);
  });

  it('takes the model’s own sampling for what is left out', async () => {
    const sampling = { temperature: 0.8, topP: 0.9, topK: 40 };
    const input = { prompt: 'abc', maxTokens: 20, seed: 7 };
    const implicit = await run(own(sampling), [request(input)]);
    const explicit = await run({}, [request(SAMPLED)]);
    expect(implicit.output).toEqual(explicit.output);
  });

  it('stops at the model’s length, and refuses a prompt that leaves no room', async () => {
    const { output } = await run(upTo(10), [request({ prompt: '1234567' })]);
    expect([output.tokens.length, output.finishReason]).toEqual([3, 'length']);
    const { error } = await run(upTo(10), [request({ prompt: '1234567890' })]);
    expect(error).toMatch(/INVALID_ARGUMENT: the prompt has 10 tokens; .* at most 10/);
  });

  it('ends a request whose log-probabilities can not fit its answer, and no other', async () => {
    const room = { format: 'json', maxBytes: 2000 } as const;
    const many = { ...SAMPLED, n: 4, topLogprobs: 5 };
    const asked = engineOf({});
    const { error } = await drive(asked, [request(many, { room, stream: false })]);
    expect(error).toMatch(/RESOURCE_EXHAUSTED: .*\d+ log-probabilities.*the limit is 2000/);
    const few = { ...SAMPLED, maxTokens: 5, topLogprobs: 1 };
    expect((await drive(asked, [request(few, { room })])).output.tokens).toHaveLength(5);
  });

  it('refuses a prompt that is far too long before it is split into tokens', async () => {
    const tokenizer = {
      ...characterTokenizer,
      encode: (text: string): number[] => {
        if (text.length > 640) throw new Error('this would take minutes');
        return characterTokenizer.encode(text);
      },
    };
    const chatTemplate = { render: () => 'x'.repeat(641) };
    const options = { model: { maxTokens: 10, tokenizer, chatTemplate } };
    const messages = [{ role: 'user', content: 'hi' }];
    for (const input of [{ prompt: 'x'.repeat(641) }, { messages }]) {
      const { error } = await run(options, [request(input)]);
      expect(error).toMatch(/^INVALID_ARGUMENT: the prompt has 641 characters, .* more than 640 /);
    }
    const { error } = await run(options, [request({ prompt: 'x'.repeat(640) })]);
    expect(error).toMatch(/the prompt has 640 tokens/);
  });

  it('refuses tokens that the model does not have, and messages without a template', async () => {
    const unknown = await run({}, [request({ prompt: 'é→' })]);
    expect(unknown.error).toMatch(/FAILED_PRECONDITION: token 233 .* 128/);
    const resumed = await run({}, [request(SAMPLED, { resumeTokens: [999] })]);
    expect(resumed.error).toMatch(/INVALID_ARGUMENT: token 999/);
    const messages = [{ role: 'user', content: 'hi' }];
    const chat = await run({}, [request({ messages })]);
    expect(chat.error).toMatch(/FAILED_PRECONDITION: .* chat template/);
  });

  it('hears a cancel within one step, and goes on with the next request', async () => {
    const driven = engineOf();
    const requests = [request(SAMPLED), request(SAMPLED, { requestId: 2 })];
    const { answers } = await drive(driven, requests, (engine) => {
      if (driven.runner.runs.length >= 6) engine.cancel(1);
    });
    expect(answers.get(1)).toMatchObject({ kind: 'failed', error: { code: 'CANCELLED' } });
    expect(driven.runner.runs).toHaveLength(3 + 20);
    expect(answers.get(2)?.kind).toBe('done');
  });

  it('answers a failed run by its error, and the other request by its tokens', async () => {
    const options = { fails: (count: number) => count === 4 };
    const { answers } = await run(options, [request(SAMPLED), request(SAMPLED, { requestId: 2 })]);
    expect(answers.get(2)).toMatchObject({ kind: 'failed', error: { code: 'INTERNAL' } });
    expect(answers.get(1)?.kind).toBe('done');
  });
});
