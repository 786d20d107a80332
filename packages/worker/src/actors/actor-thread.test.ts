/** The actor thread against hostile requests: one answer each, and its mates are left in peace. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type {
  ClassifyOutput,
  EmbedOutput,
  ExtractOutput,
  GenerateChunk,
  GenerateOutput,
  Result,
} from '@llmos/base';
import { parseResult } from '@llmos/base';
import { functions } from '@llmos/proto';
import type { ThreadRequest } from './thread-protocol';
import { DrivenThread, jsonRequest } from '../testing/driven-thread';
import { uncached } from '../testing/mixed-generations';
import { shippedModel } from '../testing/model-folders';

const threads: DrivenThread[] = [];
async function open(name: string): Promise<DrivenThread> {
  const thread = await DrivenThread.load(shippedModel(name));
  threads.push(thread);
  return thread;
}
afterEach(() => threads.splice(0).forEach((thread) => thread.stop()));

function bytes(requestId: number, functionName: string, body: Uint8Array | string): ThreadRequest {
  return {
    ...jsonRequest(requestId, functionName, null),
    body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
  };
}

async function outcomes(thread: DrivenThread, requests: readonly ThreadRequest[]) {
  const { answers } = await thread.run(requests);
  const ids = answers.map((answer) => answer.requestId).sort((a, b) => a - b);
  expect(ids).toEqual(requests.map((request) => request.requestId));
  return new Map(
    answers.map(({ requestId, result }) => {
      const parsed = parseResult(result) as Result<EmbedOutput>;
      return [requestId, parsed.ok ? 'ok' : `${parsed.error.code}: ${parsed.error.message}`];
    }),
  );
}

describe('an encoder thread', () => {
  it('answers each hostile request by its own error, and its mates by their vectors', async () => {
    const thread = await open('mini-encoder');
    const good = (id: number) => jsonRequest(id, 'embed', { text: 'a good one' });
    const long = 'word '.repeat(300);
    const hostile: [ThreadRequest, RegExp][] = [
      [bytes(1, 'embed', '{"text":'), /^INVALID_ARGUMENT: the body is not JSON/],
      [bytes(2, 'embed', Uint8Array.of(0xff, 0xfe)), /^INVALID_ARGUMENT: the body is not JSON/],
      [bytes(3, 'embed', ''), /^INVALID_ARGUMENT/],
      [bytes(4, 'embed', 'null'), /^INVALID_ARGUMENT/],
      [bytes(5, 'embed', '['.repeat(100_000)), /^INVALID_ARGUMENT: the body nests deeper/],
      [jsonRequest(6, 'embed', { text: '' }), /^INVALID_ARGUMENT: .*text/],
      [jsonRequest(7, 'embed', { text: 'a', texts: ['a'] }), /^INVALID_ARGUMENT: .*exactly one/],
      [jsonRequest(8, 'embed', { text: 'a', prompt: 'b' }), /unknown field "prompt"/],
      [jsonRequest(9, 'embed', { texts: [] }), /^INVALID_ARGUMENT/],
      [jsonRequest(10, 'embed', { text: long }), /text has 302 tokens; .* at most 256/],
      [jsonRequest(11, 'embed', { texts: ['a', long] }), /texts\[1\] has 302 tokens/],
      [jsonRequest(12, 'generate', { prompt: 'a' }), /serves infer and embed, not generate/],
      [jsonRequest(13, 'toString', {}), /^UNIMPLEMENTED/],
      [jsonRequest(14, 'embed', { model: 'a b', text: 'x' }), /model is "a b"/],
      [
        jsonRequest(15, 'embed', { model: 'other', text: 'x' }, { model: 'mini-encoder@1' }),
        /model is "other", but the header names "mini-encoder@1"/,
      ],
      [jsonRequest(16, 'infer', { inputs: {} }), /input "input_ids" is missing/],
      [
        bytes(17, 'infer', '{"inputs":{"__proto__":{"type":"int64","dims":[1],"data":[1]}}}'),
        /__proto__/,
      ],
      [jsonRequest(18, 'infer', tokens([1, 2 ** 31], [1, 2])), /^INVALID_ARGUMENT: .*model failed/],
      [jsonRequest(19, 'infer', tokens([1], [1, 1_000_000_000])), /more than/],
    ];
    const requests = hostile.flatMap(([request]) => [request, good(100 + request.requestId)]);
    const sorted = requests.sort((a, b) => a.requestId - b.requestId);
    const answers = await outcomes(thread, sorted);
    for (const [request, message] of hostile) {
      expect(answers.get(request.requestId)).toMatch(message);
      expect(answers.get(100 + request.requestId)).toBe('ok');
    }
  });

  it('runs what is urgent between two model runs of bulk, then what is more urgent than that', async () => {
    const thread = await open('mini-encoder');
    const texts = Array.from(
      { length: 100 },
      (_, index) => `${'many words '.repeat(100)} ${index}`,
    );
    const bulk = (id: number) =>
      jsonRequest(id, 'embed', { texts, truncate: true }, { class: 'batch' });
    const running = thread.run([bulk(1), bulk(2)]);
    thread.send({ kind: 'run', requests: [jsonRequest(3, 'embed', { texts, truncate: true })] });
    const most = { class: 'interactive' as const };
    thread.send({ kind: 'run', requests: [jsonRequest(4, 'embed', { text: 'x' }, most)] });
    thread.send({ kind: 'run', requests: [jsonRequest(5, 'infer', tokens([1], [1, 1]), most)] });
    const { answers } = await running;
    expect(answers.map(({ requestId }) => requestId).slice(-3)).toEqual([3, 1, 2]);
    expect(
      answers
        .map(({ requestId }) => requestId)
        .slice(0, 2)
        .sort(),
    ).toEqual([4, 5]);
    expect(answers.map(({ result }) => parseResult(result).ok)).toEqual(Array(5).fill(true));
  });

  it('cancels bulk between two model runs', async () => {
    const thread = await open('mini-encoder');
    const texts = Array.from({ length: 100 }, () => 'many words '.repeat(100));
    const running = thread.run([jsonRequest(1, 'embed', { texts, truncate: true })]);
    thread.send({ kind: 'cancel', requestId: 1 });
    const { answers } = await running;
    expect(parseResult(answers[0]!.result)).toMatchObject({ error: { code: 'CANCELLED' } });
  });

  it('truncates where it is told to, and reads texts of any content', async () => {
    const thread = await open('mini-encoder');
    const texts = ['word '.repeat(3000), '\u0000', '   ', '\ud800', '🎉'.repeat(300), '[SEP]'];
    const { embeddings } = await thread.ask<EmbedOutput>('embed', { texts, truncate: true });
    expect(embeddings).toHaveLength(texts.length);
    expect(embeddings.flat().every(Number.isFinite)).toBe(true);
  });

  it('gives a text the same vector alone and among others', async () => {
    const thread = await open('mini-encoder');
    const texts = ['short', 'a somewhat longer sentence about nothing', 'mid sized one'];
    const together = await thread.ask<EmbedOutput>('embed', { texts });
    for (const [index, text] of texts.entries()) {
      const alone = await thread.ask<EmbedOutput>('embed', { text });
      alone.embeddings[0]?.forEach((value, axis) =>
        expect(Math.abs(value - (together.embeddings[index]?.[axis] ?? 9))).toBeLessThan(1e-5),
      );
    }
  });

  it('refuses an answer that can not fit before it is made', async () => {
    const small = { maxAnswerBytes: 5000 };
    const texts = Array.from({ length: 50 }, (_, index) => `text ${index}`);
    const encoder = await open('mini-encoder');
    await expect(encoder.ask('embed', { texts }, small)).rejects.toThrow(
      /answer would have at least \d+ bytes \(50 texts of \d+ values each\), the limit is 5000/,
    );
    const intents = await open('support-intents');
    await expect(intents.ask('classify', { texts }, small)).rejects.toThrow(
      /\(50 texts of \d+ labels each\), the limit is 5000: send fewer texts, or set topK/,
    );
    expect(await intents.ask('classify', { texts, topK: 1 }, small)).toHaveProperty('labels');
  });

  it('tells how many tokens the model read', async () => {
    const encoder = await open('mini-encoder');
    const { usage: one } = await encoder.ask<EmbedOutput>('embed', { text: 'a' });
    const { usage: two } = await encoder.ask<EmbedOutput>('embed', { texts: ['a', 'a a'] });
    // [CLS] a [SEP], and one more.
    expect([one, two]).toEqual([{ inputTokens: 3 }, { inputTokens: 7 }]);
    const intents = await open('support-intents');
    const { usage } = await intents.ask<ClassifyOutput>('classify', { text: 'a', topK: 1 });
    expect(usage).toEqual({ inputTokens: 3 });
    const entities = await open('contract-entities');
    const found = await entities.ask<ExtractOutput>('extract', { texts: ['a', 'a a'] });
    expect(found.usage).toEqual({ inputTokens: 7 });
  });

  it('tells the same as protobuf', async () => {
    const thread = await open('support-intents');
    const body = functions.ClassifyInput.encode({ text: 'a', texts: [], topK: 1 }).finish();
    const { answers } = await thread.run([
      { ...jsonRequest(1, 'classify', {}), format: 'protobuf', body },
    ]);
    const { usage } = functions.TaskResult.decode(answers[0]?.result ?? new Uint8Array(0));
    expect(usage).toEqual({ inputTokens: 3, cachedTokens: 0, outputTokens: 0 });
  });

  it('reads and answers protobuf', async () => {
    const thread = await open('mini-encoder');
    const body = functions.EmbedInput.encode({ text: 'hello', texts: [] }).finish();
    const request = { ...bytes(1, 'embed', body), format: 'protobuf' as const };
    const broken = { ...bytes(2, 'embed', Uint8Array.of(0xff)), format: 'protobuf' as const };
    const { answers } = await thread.run([request, broken]);
    const results = new Map(
      answers.map((answer) => [
        answer.requestId,
        functions.TaskResult.decode(answer.result).result,
      ]),
    );
    const json = await thread.ask<EmbedOutput>('embed', { text: 'hello' });
    const embed = results.get(1);
    expect(embed?.$case === 'embed' && embed.value.embeddings[0]?.values).toEqual(
      json.embeddings[0],
    );
    expect(results.get(2)).toMatchObject({ $case: 'error', value: { code: 'INVALID_ARGUMENT' } });
  });

  it('reads a long contract in windows', async () => {
    const thread = await open('contract-entities');
    const sentence =
      'This Loan Agreement is made between Silicon Valley Bank and Acme Corporation. ';
    const text = `${sentence}${'The parties agree to the following terms. '.repeat(120)}${sentence}`;
    const { entities } = await thread.ask<{
      entities: { text: string; start: number; end: number }[];
    }>('extract', { text });
    // Far beyond the first window, and at its own place: offsets count in the whole text.
    const last = entities.find((entity) => entity.start > sentence.length * 3);
    expect(last).toBeDefined();
    for (const { text: found, start, end } of entities) expect(text.slice(start, end)).toBe(found);
    expect(entities[0]).toMatchObject({ text: 'Silicon Valley Bank', start: 36 });
    expect(entities.at(-1)?.start).toBeGreaterThan(text.lastIndexOf('Silicon') - 1);
  });
});

function tokens(data: number[], dims: number[]) {
  const tensor = { type: 'int64', dims, data };
  return {
    inputs: { input_ids: tensor, attention_mask: tensor, token_type_ids: tensor },
  };
}

describe('a generating thread', () => {
  const input = { prompt: 'The fox', maxTokens: 40, temperature: 0.9, topP: 0.95, seed: 11 };

  it('resumes a seeded generation to the same tokens and text', async () => {
    const thread = await open('storyteller');
    const whole = await thread.ask<GenerateOutput>('generate', input);
    expect(whole.tokens.length).toBeGreaterThan(5);
    for (const count of [1, 7, whole.tokens.length - 1, whole.tokens.length]) {
      const resumeTokens = whole.tokens.slice(0, count);
      const output = await thread.ask<GenerateOutput>('generate', input, { resumeTokens });
      expect(uncached(output)).toEqual(whole);
    }
  });

  it('cancels within a step, answers it once, and takes the next step', async () => {
    const thread = await open('storyteller');
    const long = { prompt: 'The fox', minTokens: 400, maxTokens: 400, temperature: 0.9, seed: 1 };
    for (let isCancelled = false; !isCancelled;) {
      const chunks: GenerateChunk[] = [];
      const { answers } = await thread.run(
        [jsonRequest(1, 'generate', long, { stream: true }), jsonRequest(2, 'generate', input)],
        (requestId, chunk) => {
          if (requestId === 1) chunks.push(chunk);
          if (chunks.length === 3) thread.send({ kind: 'cancel', requestId: 1 });
        },
      );
      const results = new Map(answers.map((each) => [each.requestId, parseResult(each.result)]));
      expect([...results.keys()].sort()).toEqual([1, 2]);
      expect(answers).toHaveLength(2);
      expect(results.get(2)?.ok).toBe(true);
      // Where this program was held up, the cancel came after the end: once more.
      isCancelled = results.get(1)?.ok === false;
      if (!isCancelled) continue;
      expect(results.get(1)).toMatchObject({ error: { code: 'CANCELLED' } });
      expect(chunks.length).toBeLessThan(400);
    }
  });

  it('forgets a cancel and a preemption that cross the answer', async () => {
    const thread = await open('storyteller');
    const request = jsonRequest(1, 'generate', input);
    await thread.run([request]);
    for (const kind of ['cancel', 'preempt'] as const) {
      thread.send({ kind, requestId: 1 });
      const { answers } = await thread.run([request]);
      expect(answers.map(({ result }) => parseResult(result).ok)).toEqual([true]);
    }
  });

  it('hears a cancel that follows its request at once', async () => {
    const thread = await open('storyteller');
    const running = thread.run([jsonRequest(1, 'generate', { ...input, maxTokens: 400 })]);
    thread.send({ kind: 'cancel', requestId: 1 });
    const { answers } = await running;
    expect(parseResult(answers[0]!.result)).toMatchObject({ error: { code: 'CANCELLED' } });
  });

  it('refuses a prompt beyond the model, naming both lengths, and tokens that are none', async () => {
    const thread = await open('storyteller');
    await expect(thread.ask('generate', { prompt: 'word '.repeat(2000) })).rejects.toThrow(
      /prompt has \d{4} tokens; the model reads at most 512/,
    );
    await expect(thread.ask('generate', input, { resumeTokens: [-1] })).rejects.toThrow(/token -1/);
    await expect(
      thread.ask('generate', { messages: [{ role: 'user', content: 'x' }] }),
    ).rejects.toThrow(/no chat template/);
  });

  it('releases everything and ends when told to', async () => {
    const thread = await open('storyteller');
    await expect(thread.close()).resolves.toBeUndefined();
  });
});

describe('loading', () => {
  it('answers what can not be loaded by a typed error, and can be told to close', async () => {
    const manifest = { task: 'embed' as const, graph: 'onnx/model.onnx' };
    const folder = shippedModel('mini-encoder');
    const thread = new DrivenThread();
    threads.push(thread);
    await expect(thread.load(folder, { ...manifest, graph: '../x.onnx' }, 'cpu')).rejects.toThrow(
      /outside the package/,
    );
    await expect(thread.load(folder, manifest, 'tpu:9')).rejects.toThrow(/device "tpu:9"/);
    await expect(
      thread.load(folder, { task: 'generate', graph: 'onnx/model.onnx' }, 'cpu'),
    ).rejects.toThrow(/"token_type_ids" is none that a decoder takes/);
    expect(await thread.load(folder, manifest, 'cpu')).toBe('cpu');
    await thread.close();
  });

  it('refuses to run as anything but an actor thread', () => {
    const program = join(__dirname, '..', '..', 'dist', 'actors', 'actor-thread.js');
    const { status, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/runs as an actor thread only/);
  });
});
