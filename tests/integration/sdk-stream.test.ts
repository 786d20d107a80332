/** Streams of a client against a stand-in kernel on a real NATS server. */
import { encodeJson, subjects } from '@llmos/base';
import type { GenerateChunk, TenantId } from '@llmos/base';
import { connect } from '@llmos/sdk';
import type { LlmosClient } from '@llmos/sdk';
import { headers as newHeaders } from 'nats';
import type { MsgHdrs } from 'nats';
import { FakeKernel } from '../support/fake-kernel';
import type { FakeFunction, FakeTask } from '../support/fake-kernel';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { waitFor } from '../support/wait-for';

const WORDS = ['Once', ' upon', ' a', ' time', '.'];
const tokens = WORDS.map((_, index) => 100 + index);
const output = {
  text: WORDS.join(''),
  tokens,
  promptTokens: 2,
  finishReason: 'stop',
} as const;

function chunkOf(index: number): GenerateChunk {
  return {
    index,
    text: WORDS[index] ?? '',
    tokens: [100 + index],
    ...(index === WORDS.length - 1 ? { finishReason: 'stop' as const } : {}),
  };
}

let server: TestNatsServer;
let kernel: FakeKernel;
let os: LlmosClient;
let behave: (task: FakeTask) => Promise<unknown>;
const generate: FakeFunction = (task) => behave(task);

beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server.stop());
beforeEach(async () => {
  kernel = await FakeKernel.start({ url: server.url, functions: { generate } });
  os = await connect({ servers: server.url, timeoutMs: 60_000 });
});
afterEach(async () => {
  await os.close();
  await kernel.stop();
});

async function readAll(stream: AsyncIterable<GenerateChunk>): Promise<GenerateChunk[]> {
  const chunks: GenerateChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}
function textOf(chunks: readonly GenerateChunk[]): string {
  return chunks.map((chunk) => chunk.text).join('');
}
function publishLive(task: FakeTask, chunk: GenerateChunk): void {
  const { tenant, id } = task;
  const body = encodeJson(chunk);
  // Refused by the stream, as the chunk of a host that was replaced; readers see it all the same.
  const headers = kernel.refusedHeaders();
  kernel.connection.publish(subjects.stream({ tenant, task: id }), body, { headers });
}

it('gives the chunks in order and the committed result', async () => {
  behave = async (task) => {
    expect(task.header('Llmos-Stream')).toBe('true');
    expect(task.header('Llmos-Class')).toBe('interactive');
    for (const index of WORDS.keys()) await task.chunk(chunkOf(index));
    return output;
  };
  const stream = os.generate.stream({ model: 'm', prompt: 'Hi' });
  const chunks = await readAll(stream);
  expect(textOf(chunks)).toBe(output.text);
  expect(chunks.flatMap((chunk) => chunk.tokens)).toEqual(tokens);
  expect(chunks.at(-1)?.finishReason).toBe('stop');
  await expect(stream.result).resolves.toEqual(output);
});

it('gives a chunk before the generation has ended', async () => {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  behave = async (task) => {
    await task.chunk(chunkOf(0));
    await opened;
    return output;
  };
  const stream = os.generate.stream({ prompt: 'Hi' });
  await expect(stream.next()).resolves.toEqual({ done: false, value: chunkOf(0) });
  open();
  expect(textOf(await readAll(stream))).toBe(' upon a time.');
});

it('completes the text from the result where no chunk came', async () => {
  behave = async () => output;
  const chunks = await readAll(os.generate.stream({ prompt: 'Hi' }));
  expect(chunks).toEqual([{ index: 0, text: output.text, tokens, finishReason: 'stop' }]);
});

it('gives each token once where chunks are doubled, late, or cut differently', async () => {
  behave = async (task) => {
    publishLive(task, chunkOf(2));
    await task.chunk(chunkOf(0));
    publishLive(task, chunkOf(0));
    await task.chunk(chunkOf(1));
    const joined = { index: 1, text: ' upon a', tokens: [101, 102] };
    publishLive(task, joined);
    await task.chunk(chunkOf(2));
    await task.chunk(chunkOf(3));
    return output;
  };
  const chunks = await readAll(os.generate.stream({ prompt: 'Hi' }));
  expect(textOf(chunks)).toBe(output.text);
  expect(chunks.flatMap((chunk) => chunk.tokens)).toEqual(tokens);
});

it('ignores what a host that was replaced still publishes', async () => {
  behave = async (task) => {
    const subject = subjects.stream({ tenant: task.tenant, task: task.id });
    const ofAttempt = (attempt: number, headers: MsgHdrs) => {
      headers.set('Llmos-Attempt', String(attempt));
      return { headers };
    };
    const jetstream = kernel.connection.jetstream(PATIENT);
    await jetstream.publish(subject, encodeJson(chunkOf(0)), ofAttempt(2, newHeaders()));
    const late = { index: 1, text: ' WRONG', tokens: [999] };
    const refused = ofAttempt(1, kernel.refusedHeaders());
    kernel.connection.publish(subject, encodeJson(late), refused);
    await jetstream.publish(subject, encodeJson(chunkOf(1)), ofAttempt(2, newHeaders()));
    return output;
  };
  expect(textOf(await readAll(os.generate.stream({ prompt: 'Hi' })))).toBe(output.text);
});

it('reads the stored stream where a live chunk was lost', async () => {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  behave = async (task) => {
    await task.chunk(chunkOf(0));
    await task.chunk(chunkOf(1));
    await opened;
    return output;
  };
  const first = os.generate.stream({ prompt: 'Hi' }, { id: 'lossy' });
  await first.next();
  await first.next();
  // A reader that attaches now has missed both, and sees a live one that follows.
  const late = os.task('lossy').stream();
  await expect(late.next()).resolves.toMatchObject({ value: { index: 0 } });
  await expect(late.next()).resolves.toMatchObject({ value: { index: 1 } });
  open();
  expect(textOf(await readAll(late))).toBe(' a time.');
});

it('cancels the task when the reader leaves the loop', async () => {
  behave = async (task) => {
    await task.chunk(chunkOf(0));
    await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
    return output;
  };
  const stream = os.generate.stream({ prompt: 'Hi' }, { id: 'left' });
  for await (const chunk of stream) {
    expect(chunk).toEqual(chunkOf(0));
    break;
  }
  await expect(stream.result).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect(stream.next()).resolves.toMatchObject({ done: true });
});

it('leaves the task running when an attached reader leaves the loop', async () => {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  behave = async (task) => {
    await task.chunk(chunkOf(0));
    await opened;
    return output;
  };
  const task = await os.submit('generate', { prompt: 'Hi' });
  for await (const chunk of task.stream()) {
    expect(chunk).toEqual(chunkOf(0));
    break;
  }
  open();
  await expect(task.result()).resolves.toEqual(output);
  expect(kernel.heard).not.toContain('cancel');
});

it('throws CANCELLED and cancels the task when the signal aborts', async () => {
  behave = async (task) => {
    await task.chunk(chunkOf(0));
    await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
    return output;
  };
  const abort = new AbortController();
  const stream = os.generate.stream({ prompt: 'Hi' }, { signal: abort.signal });
  await stream.next();
  abort.abort();
  await expect(stream.next()).rejects.toMatchObject({ code: 'CANCELLED' });
  await waitFor(() => kernel.heard.includes('cancel'), { what: 'the cancel message' });
});

it('throws the error of the task after what was streamed', async () => {
  behave = async (task) => {
    await task.chunk(chunkOf(0));
    throw new Error('the model broke');
  };
  const stream = os.generate.stream({ prompt: 'Hi' });
  await expect(stream.next()).resolves.toMatchObject({ value: chunkOf(0) });
  await expect(stream.next()).rejects.toMatchObject({ code: 'INTERNAL' });
  await expect(stream.next()).resolves.toMatchObject({ done: true });
});

it('says so where the streamed text is not the committed one', async () => {
  behave = async (task) => {
    publishLive(task, { index: 0, text: 'Twice', tokens: [7] });
    await kernel.connection.flush();
    return output;
  };
  const stream = os.generate.stream({ prompt: 'Hi' });
  await expect(readAll(stream)).rejects.toMatchObject({ code: 'DATA_LOSS' });
  await expect(stream.result).resolves.toEqual(output);
});

it('ignores bytes on the stream subject that are no chunk', async () => {
  behave = async (task) => {
    const subject = subjects.stream({ tenant: 'default' as TenantId, task: task.id });
    kernel.connection.publish(subject, Uint8Array.of(1, 2, 3));
    kernel.connection.publish(subject, encodeJson({ index: 'x' }));
    await kernel.connection.flush();
    return output;
  };
  expect(textOf(await readAll(os.generate.stream({ prompt: 'Hi' })))).toBe(output.text);
});

it('loses nothing of a long generation for a reader that starts late', async () => {
  const count = 2_000;
  behave = async (task) => {
    for (let index = 0; index < count; index += 1) {
      publishLive(task, { index, text: `${index},`, tokens: [index] });
    }
    const all = [...Array(count).keys()];
    const text = all.map((index) => `${index},`).join('');
    return { text, tokens: all, promptTokens: 1, finishReason: 'length' };
  };
  const stream = os.generate.stream({ prompt: 'Hi' });
  const { text } = await stream.result;
  const chunks = await readAll(stream);
  expect(textOf(chunks)).toBe(text);
  expect(chunks.length).toBeLessThan(300);
});

it('survives a restart of the server in the middle of a generation', async () => {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  behave = async (task) => {
    await task.chunk(chunkOf(0));
    await opened;
    for (let index = 1; index < WORDS.length; index += 1) await task.chunk(chunkOf(index));
    return output;
  };
  const stream = os.generate.stream({ prompt: 'Hi' });
  await stream.next();
  await server.restart();
  await waitFor(() => kernel.connection.flush().then(() => true), { what: 'the kernel' });
  open();
  expect(textOf(await readAll(stream))).toBe(' upon a time.');
});
