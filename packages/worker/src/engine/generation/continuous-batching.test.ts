/** How generations share the model's runs, on a decoder that finds out every mixed-up key. */
import { seededRandom } from '@llmos/base';
import { drive, engineOf, generateRequest as request } from '../../testing/driven-engine';
import type { EngineOptions } from '../../testing/driven-engine';
import { testCosts } from '../../testing/test-costs';
import { uncached } from '../../testing/mixed-generations';

const options = (more: EngineOptions['model'] = {}): EngineOptions => ({
  isShared: true,
  model: { maxRows: 4, maxTokens: 400, maxSavedBytes: 1e6, ...more },
});
const sampled = (index: number, maxTokens = 20) => ({
  ...{ prompt: `prompt ${index} ${'x'.repeat((index * 13) % 90)}`, maxTokens },
  ...{ temperature: 0.9, seed: index },
});

describe('continuous batching', () => {
  it('feeds all running sequences in one run, and fills a free row at the next step', async () => {
    const driven = engineOf(options());
    const requests = Array.from({ length: 6 }, (_, index) =>
      request(sampled(index, 5 + index), { requestId: index + 1 }),
    );
    const { counts } = await drive(driven, requests);
    expect(Math.max(...driven.runner.rowCounts)).toBe(4);
    expect(counts).toMatchObject({ running: 0, waiting: 0, decodedTokens: 4 + 5 + 6 + 7 + 8 + 9 });
    expect(driven.runner.runs.length).toBeLessThan(45);
  });

  it.each([
    ['', {}, {}],
    [', where the length of a run rounds', { roundsByLength: true }, { feeding: 'alike' }],
    [
      ', where the step of a lone row rounds, too',
      { roundsByLength: true, roundsLoneRow: true },
      { feeding: 'alike' },
    ],
  ] as const)(
    'gives each what it gives it alone, whoever joins, leaves and returns%s',
    async (...args) => {
      const [, decoder, feeding] = args;
      const options = (more: EngineOptions['model'] = {}): EngineOptions => ({
        ...{ isShared: true, ...decoder },
        model: { maxRows: 4, maxTokens: 400, maxSavedBytes: 1e6, ...feeding, ...more },
      });
      const random = seededRandom(7);
      const alone = await Promise.all(
        Array.from({ length: 30 }, async (_, index) => {
          const { output } = await drive(engineOf(options({ maxRows: 1 })), [
            request(sampled(index)),
          ]);
          return output;
        }),
      );
      const driven = engineOf(options({ maxSavedBytes: 800, maxPrefixBytes: 2000 }));
      const create = (index: number, requestId: number, resumeTokens: readonly number[] = []) =>
        request(sampled(index), {
          ...{ requestId, resumeTokens, seedText: `tenant/${index}`, sequence: index },
          class: random.chance(0.3) ? 'interactive' : 'batch',
        });
      let next = 8;
      const indexOf = new Map<number, number>();
      const returned = new Set<number>();
      let nextId = 1000;
      const first = Array.from({ length: 8 }, (_, index) => create(index, index));
      first.forEach((each, index) => indexOf.set(each.requestId, index));
      const outcome = await drive(driven, first, (engine, join) => {
        if (next < 30 && random.chance(0.3)) {
          indexOf.set(next, next);
          join([create(next, next)]);
          next += 1;
        }
        if (random.chance(0.2)) engine.preempt(random.below(next));
        for (const [requestId, { tokens }] of driven.heard.preempted) {
          if (returned.has(requestId)) continue;
          returned.add(requestId);
          const index = indexOf.get(requestId) as number;
          indexOf.set(nextId, index);
          join([create(index, nextId, tokens)]);
          nextId += 1;
        }
      });
      const ended = [...outcome.answers.keys()];
      expect(returned.size).toBeGreaterThan(2);
      for (const requestId of ended) {
        const index = indexOf.get(requestId) as number;
        expect([index, outcome.outputOf(requestId)]).toEqual([index, alone[index]]);
      }
      expect(ended.length + returned.size).toBe(indexOf.size);
      expect(outcome.counts.switches).toBeGreaterThan(returned.size);
    },
  );

  it.each(['alike', 'whole'] as const)(
    'feeds a prompt that it repeats as it did at first: %s',
    async (feeding) => {
      const options = (): EngineOptions => ({
        ...{ isShared: true, roundsByLength: true },
        model: { maxRows: 4, maxTokens: 400, maxSavedBytes: 1e6, feeding },
      });
      // For log-probabilities the earlier tokens are fed again, although their keys are there.
      const input = { ...sampled(3), topLogprobs: 2 };
      const alone = await drive(engineOf(options()), [request(input)]);
      const driven = engineOf(options());
      let hasReturned = false;
      const outcome = await drive(driven, [request(input)], (engine, join) => {
        if (driven.heard.chunks.length === 4) engine.preempt(1);
        const given = driven.heard.preempted.get(1);
        if (given === undefined || hasReturned) return;
        hasReturned = true;
        const resumeTokens = given.tokens;
        join([request(input, { requestId: 2, seedText: 'tenant/1', resumeTokens })]);
      });
      expect(outcome.outputOf(2)).toEqual(alone.output);
    },
  );

  it('gives an urgent prompt its first token while batch ones hold every row', async () => {
    const driven = engineOf(options());
    const batch = Array.from({ length: 4 }, (_, index) =>
      request(sampled(index, 60), { requestId: index + 1, class: 'batch', stream: false }),
    );
    let steps = 0;
    let joinedAt = 0;
    let firstAt = 0;
    const { counts } = await drive(driven, batch, (_, join) => {
      steps += 1;
      if (steps === 10) {
        joinedAt = steps;
        join([request(sampled(9), { requestId: 9, class: 'interactive' })]);
      }
      if (firstAt === 0 && driven.heard.chunks.length > 0) firstAt = steps;
    });
    expect(firstAt - joinedAt).toBeLessThanOrEqual(2);
    expect(counts.switches).toBe(1);
  });

  it('charges each generation its share of the runs, and what was read and made for it', async () => {
    const costs = testCosts(2);
    const driven = engineOf(options({ costs }));
    const ids = [1, 2, 3, 4];
    for (const id of ids) costs.begin(id);
    const requests = ids.map((id) => request(sampled(id, 10), { requestId: id }));
    const outcome = await drive(driven, requests);
    const charged = ids.map((id) => costs.end(id));
    const total = charged.reduce((sum, cost) => sum + (cost?.deviceMs ?? 0), 0);
    // Each run takes 1 ms by the clock of the test.
    expect(total).toBeCloseTo(driven.runner.runs.length, 6);
    charged.forEach((cost, index) => {
      const { promptTokens, tokens } = outcome.outputOf(ids[index] ?? 0);
      expect(cost).toMatchObject({ inputTokens: promptTokens, outputTokens: tokens.length });
      expect(cost?.cpuMs).toBeCloseTo(2 * (cost?.deviceMs ?? 0), 6);
      // Its prompt alone, and ten tokens or fewer beside others.
      expect(cost?.deviceMs).toBeGreaterThan(1);
      expect(cost?.deviceMs).toBeLessThan(10);
    });
  });

  it('reads a prompt once for all of its samples', async () => {
    const driven = engineOf(options());
    const { output, counts } = await drive(driven, [
      request({ ...sampled(1), n: 12 }, { stream: false }),
    ]);
    expect(output.samples).toHaveLength(12);
    expect(new Set(output.samples?.map(({ text }) => text)).size).toBeGreaterThan(8);
    expect(counts.prefilledTokens).toBe(output.promptTokens);
    const made = output.samples?.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const { promptTokens: inputTokens } = output;
    expect(output.usage).toEqual({ inputTokens, cachedTokens: 0, outputTokens: made });
    const { output: single } = await drive(engineOf(options()), [request(sampled(1))]);
    expect(output.samples?.[0]?.tokens).toEqual(single.tokens);
  });

  it('computes what prompts of one tenant begin with once, and tells another tenant nothing', async () => {
    const driven = engineOf(options({ maxPrefixBytes: 1e6 }));
    const long = 'the same words at the beginning of every prompt ';
    const ask = async (end: string, tenant: string, requestId: number) => {
      const before = driven.engine.counts.reusedTokens;
      const input = { prompt: long + end, maxTokens: 3 };
      const { output } = await drive(driven, [request(input, { requestId, tenant })]);
      const reused = driven.engine.counts.reusedTokens - before;
      const inputTokens = output.promptTokens;
      expect(output.usage).toEqual({ inputTokens, cachedTokens: reused, outputTokens: 3 });
      return reused;
    };
    expect(await ask('one', 'a', 1)).toBe(0);
    expect(await ask('two', 'a', 2)).toBe(long.length);
    expect(await ask('two', 'b', 3)).toBe(0);
  });

  it('reads of the next turn of a chat its new tokens only, unless they are rounded', async () => {
    const turn = 'a first question of some length? ';
    const readTokens = async (decoder: Partial<EngineOptions>, more: EngineOptions['model']) => {
      const driven = engineOf({ ...options({ maxPrefixBytes: 1e6, ...more }), ...decoder });
      const first = await drive(driven, [request({ prompt: turn, maxTokens: 40 })]);
      const prompt = `${turn}${first.output.text} and the next one`;
      const before = driven.engine.counts.prefilledTokens;
      const next = await drive(driven, [request({ prompt, maxTokens: 3 }, { requestId: 2 })]);
      const alone = await drive(engineOf({ ...options(more), ...decoder }), [
        request({ prompt, maxTokens: 3 }, { requestId: 2 }),
      ]);
      expect(uncached(next.output)).toEqual(alone.output);
      return driven.engine.counts.prefilledTokens - before;
    };
    // The last token of an answer was never fed.
    expect(await readTokens({}, {})).toBe(' and the next one'.length + 1);
    expect(await readTokens({ roundsByLength: true }, { feeding: 'alike' })).toBe(
      turn.length + 40 + ' and the next one'.length,
    );
  });

  it('serves what could not be saved all the same', async () => {
    const driven = engineOf(options({ maxRows: 1, maxPrefixBytes: 1e6 }));
    driven.failSaves();
    const requests = [request({ ...sampled(3), n: 3 }, { stream: false, class: 'batch' })];
    let steps = 0;
    const { answers } = await drive(driven, requests, (_, join) => {
      steps += 1;
      if (steps === 5) join([request(sampled(4), { requestId: 2, class: 'interactive' })]);
    });
    expect([...answers.values()].map(({ kind }) => kind)).toEqual(['done', 'done']);
  });

  it('waits for the row of a sequence that ends in the step in which memory ended', async () => {
    const driven = engineOf(options());
    let hasJoined = false;
    const { answers } = await drive(driven, [request(sampled(1, 2))], (_, join) => {
      if (hasJoined) return;
      hasJoined = true;
      driven.exhaustFeed();
      join([request(sampled(2, 2), { requestId: 2 })]);
    });
    expect([...answers.values()].map(({ kind }) => kind)).toEqual(['done', 'done']);
  });

  it('drops to fewer rows where memory ends, and still answers everything', async () => {
    const driven = engineOf(options());
    const requests = Array.from({ length: 4 }, (_, index) =>
      request(sampled(index), { requestId: index + 1 }),
    );
    driven.exhaustBeyond(2);
    const { answers } = await drive(driven, requests);
    expect([...answers.values()].map(({ kind }) => kind)).toEqual(Array(4).fill('done'));
    expect(Math.max(...driven.runner.rowCounts)).toBe(2);
  });

  it('verifies several expected tokens in one run where a text repeats itself', async () => {
    const driven = engineOf({ ...options(), period: 5 });
    const { output, counts } = await drive(driven, [
      request({ prompt: 'abcdeabcdeabcde', maxTokens: 60, temperature: 0 }),
    ]);
    expect(output.tokens).toHaveLength(60);
    expect(counts.acceptedTokens).toBeGreaterThan(20);
    expect(counts.steps).toBeLessThan(40);
  });
});
