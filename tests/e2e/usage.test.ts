/** What a text function read and made is told in its output, in both body formats. */
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { headers as natsHeaders } from 'nats';
import { functions } from '@llmos/proto';
import { floatsOf, readFields } from '@llmos/sdk/testing';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';

const TEXT = 'Once upon a time there was a little dog';
const TEXTS = [
  { name: 'embed', model: 'mini-encoder', message: functions.EmbedInput },
  { name: 'classify', model: 'support-intents', message: functions.ClassifyInput },
  { name: 'extract', model: 'contract-entities', message: functions.ExtractInput },
] as const;
const PROTOBUF = 'application/x-protobuf';

let system: TestSystem;
let connection: NatsConnection;
beforeAll(async () => {
  const models = [...TEXTS.map(({ model }) => model), 'storyteller'];
  system = await startTestSystem({ models });
  connection = await connect({ servers: system.nats.url });
});
afterAll(async () => {
  await connection?.close();
  await system?.stop();
});

async function call(name: string, body: string | Uint8Array, type?: string): Promise<Uint8Array> {
  const headers = natsHeaders();
  if (type !== undefined) headers.set('Content-Type', type);
  const subject = `llmos.v1.call.default.${name}`;
  return (await connection.request(subject, body, { timeout: 120_000, headers })).data;
}

async function json(name: string, input: object): Promise<Record<string, unknown>> {
  const answer = JSON.parse(Buffer.from(await call(name, JSON.stringify(input))).toString()) as {
    readonly output?: Record<string, unknown>;
  };
  return answer.output ?? {};
}

it.each(TEXTS)('$name says how many tokens it read', async ({ name, model, message }) => {
  const { usage } = await json(name, { model, text: TEXT });
  expect(usage).toEqual({ inputTokens: expect.any(Number) as number });
  const { inputTokens } = usage as { readonly inputTokens: number };
  expect(inputTokens).toBeGreaterThan(TEXT.split(' ').length);
  const twice = await json(name, { model, texts: [TEXT, TEXT] });
  expect(twice['usage']).toEqual({ inputTokens: 2 * inputTokens });
  const body = message.encode({ model, text: TEXT, texts: [] }).finish();
  const packed = functions.TaskResult.decode(await call(name, body, PROTOBUF));
  expect(packed.result?.$case).toBe(name);
  expect(packed.usage).toEqual({ inputTokens, cachedTokens: 0, outputTokens: 0 });
});

it('the SDK tells it too, of what it calls as protobuf', async () => {
  const { embeddings, usage } = await system.os.embed({ model: 'mini-encoder', texts: [TEXT] });
  expect(embeddings).toHaveLength(1);
  const plain = await json('embed', { model: 'mini-encoder', text: TEXT });
  expect(usage).toEqual(plain['usage']);
});

it('clients of before it find the same vectors in protobuf', async () => {
  const input = { model: 'mini-encoder', texts: [TEXT, 'a'] };
  const { embeddings } = await json('embed', input);
  const body = functions.EmbedInput.encode(input).finish();
  const vectors = vectorsAsBefore(await call('embed', body, PROTOBUF));
  expect(vectors).toHaveLength(2);
  expect(vectors).toEqual(embeddings);
});

/** As the SDK read them before there was a usage: every field of the last one is a vector. */
function vectorsAsBefore(bytes: Uint8Array): number[][] | undefined {
  const result = readFields(bytes).at(-1);
  if (result?.number !== 3) return undefined;
  return readFields(result.bytes).map((vector) => {
    const [values] = readFields(vector.bytes);
    return values === undefined ? [] : floatsOf(values);
  });
}

it('generate says what it read, knew and made', async () => {
  const input = { model: 'storyteller', prompt: TEXT.repeat(4), maxTokens: 5, temperature: 0 };
  const first = await system.os.generate({ ...input, minTokens: 5 });
  const inputTokens = first.promptTokens;
  expect(first.usage).toEqual({ inputTokens, cachedTokens: 0, outputTokens: 5 });
  const stream = system.os.generate.stream({ ...input, minTokens: 5 });
  const { usage } = await stream.result;
  expect(usage).toMatchObject({ inputTokens, outputTokens: 5 });
  expect(usage?.cachedTokens).toBeGreaterThan(0);
  const several = await json('generate', { ...input, minTokens: 5, n: 2 });
  expect(several['usage']).toMatchObject({ inputTokens, outputTokens: 10 });
  const { model, prompt } = input;
  const base = functions.GenerateInput.fromPartial({ model, prompt, temperature: 0 });
  const body = functions.GenerateInput.encode({ ...base, maxTokens: 5, minTokens: 5 }).finish();
  const packed = functions.TaskResult.decode(await call('generate', body, PROTOBUF));
  expect(packed.usage).toEqual({ ...usage, outputTokens: 5 });
});
