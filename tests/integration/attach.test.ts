/**
 * `attach` as a plain NATS client sees it: a real kernel (AttachService, GenerationReplay and
 * JetStreamStreamLink), chunks and results stored by hand.
 */
import { STREAMS, decodeJson } from '@llmos/base';
import type { GenerateChunk, GenerateOutput } from '@llmos/base';
import type { RunningKernel } from '@llmos/kernel';
import { connect } from '@llmos/sdk';
import type { LlmosClient, ReplyStream } from '@llmos/sdk';
import { headers as newHeaders } from 'nats';
import type { Msg } from 'nats';
import type { Answer, KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { parseMetrics, sumOf } from '../support/prometheus-text';
import { publishUnreadable } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

const WORDS = ['Once', ' upon', ' a', ' time', ' 🙂', '.'];
const output: GenerateOutput = {
  text: WORDS.join(''),
  tokens: WORDS.map((_, index) => 100 + index),
  promptTokens: 2,
  finishReason: 'stop',
};

let bench: KernelBench;
let kernel: RunningKernel;
let taskCount = 0;
/** Everyone who listens, stopped after each test. */
let listening: { unsubscribe(): void }[] = [];

beforeAll(async () => {
  bench = await startKernelBench();
  kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
});
afterAll(() => bench?.stop());
afterEach(() => {
  for (const each of listening) each.unsubscribe();
  listening = [];
});

/** The tokens from one word to before another, as one chunk. */
function chunk(from: number, to = from + 1): GenerateChunk {
  const tokens = output.tokens.slice(from, to);
  const base = { index: from, text: WORDS.slice(from, to).join(''), tokens };
  return to === WORDS.length ? { ...base, finishReason: 'stop' } : base;
}

class Story {
  readonly id = `story-${(taskCount += 1)}`;
  private last = 0;

  async store(...chunks: GenerateChunk[]): Promise<void> {
    for (const each of chunks) {
      const subject = `llmos.v1.stream.default.${this.id}`;
      const expect = { lastSubjectSequence: this.last };
      const ack = await bench.jetstream.publish(subject, JSON.stringify(each), { expect });
      this.last = ack.seq;
    }
  }

  /** Bytes of somebody who may write there, among the chunks. */
  async storeForeign(bytes: string | Uint8Array): Promise<void> {
    const ack = await bench.jetstream.publish(`llmos.v1.stream.default.${this.id}`, bytes);
    this.last = ack.seq;
  }

  /** The same with headers that no client can read. */
  async storeUnreadable(): Promise<void> {
    const subject = `llmos.v1.stream.default.${this.id}`;
    await publishUnreadable({ url: bench.nats.url, subject, body: JSON.stringify(chunk(0)) });
    const stored = { last_by_subj: subject };
    this.last = (await bench.manager.streams.getMessage(STREAMS.streams, stored)).seq;
  }

  /** As a host that was replaced: the stream refuses it, subscribers of the subject see it. */
  publishRefused(each: GenerateChunk): void {
    const headers = newHeaders();
    headers.set('Nats-Expected-Last-Subject-Sequence', '1');
    const subject = `llmos.v1.stream.default.${this.id}`;
    bench.connection.publish(subject, JSON.stringify(each), { headers });
  }

  async commit(result: object = { ok: true, output }): Promise<void> {
    const subject = `llmos.v1.result.default.${this.id}`;
    await bench.jetstream.publish(subject, JSON.stringify(result));
  }
}

class Reader {
  readonly chunks: GenerateChunk[] = [];
  readonly messages: { readonly end: string; readonly body: unknown }[] = [];

  constructor(readonly client: string) {
    const subject = `llmos.v1.deliver.default.${client}`;
    const callback = (error: Error | null, msg: Msg): void => {
      if (error === null && msg.data.length > 0) this.take(msg);
    };
    listening.push(bench.connection.subscribe(subject, { callback }));
  }

  attach(task: string, fromIndex?: unknown): Promise<Answer> {
    return attach({ task, client: this.client, ...(fromIndex === undefined ? {} : { fromIndex }) });
  }

  get end(): { readonly end: string; readonly body: unknown } | undefined {
    return this.messages.find(({ end }) => end !== '');
  }

  /** Until the last message, which nothing follows. */
  async read(): Promise<string> {
    await waitFor(() => this.end, { what: `the end of what ${this.client} reads` });
    expect(this.messages.at(-1)).toBe(this.end);
    return this.text();
  }

  text(): string {
    return this.chunks.map((each) => each.text).join('');
  }

  private take(msg: Msg): void {
    const body = decodeJson(msg.data);
    const end = msg.headers?.get('Llmos-End') ?? '';
    this.messages.push({ end, body });
    if (end !== '') return;
    const next = body as GenerateChunk;
    const known = this.chunks.at(-1);
    // No gap and no repeat, wherever it began.
    if (known !== undefined) expect(next.index).toBe(known.index + known.tokens.length);
    this.chunks.push(next);
  }
}

function attach(request: unknown, tenant = 'default'): Promise<Answer> {
  return bench.request(`llmos.v1.sys.${tenant}.attach`, request);
}

async function stateOf(task: string): Promise<unknown> {
  return (await bench.request('llmos.v1.sys.default.status', { task })).output?.['state'];
}

async function readersNow(): Promise<number> {
  const text = await (await fetch(`${kernel.httpUrl}/metrics`)).text();
  return sumOf(parseMetrics(text), 'llmos_kernel_attached_readers');
}

describe('a reader that attaches', () => {
  it('in the middle gets what was stored, what comes, and the result', async () => {
    const story = new Story();
    await story.store(chunk(0), chunk(1, 3));
    const reader = new Reader('middle');
    expect(await reader.attach(story.id)).toEqual({
      ok: true,
      output: {
        task: story.id,
        subject: 'llmos.v1.deliver.default.middle',
        state: 'running',
        keepAliveMs: 10_000,
      },
    });
    await waitFor(() => reader.text() === 'Once upon a', { what: 'the chunks so far' });
    await story.store(chunk(3), chunk(4, 6));
    await story.commit();
    expect(await reader.read()).toBe(output.text);
    expect(reader.chunks.flatMap((each) => each.tokens)).toEqual(output.tokens);
    expect(reader.chunks.at(-1)?.finishReason).toBe('stop');
    expect(reader.end).toEqual({ end: 'result', body: { ok: true, output } });
  });

  it('after the end gets the same, in few messages', async () => {
    const story = new Story();
    await story.store(...WORDS.map((_, index) => chunk(index)));
    await story.commit();
    const reader = new Reader('late');
    expect(await reader.attach(story.id)).toMatchObject({ output: { state: 'ended' } });
    expect(await reader.read()).toBe(output.text);
    expect(reader.messages).toHaveLength(2);
  });

  it('after the stream has expired gets it from the result', async () => {
    const story = new Story();
    await story.commit();
    const reader = new Reader('very-late');
    await reader.attach(story.id);
    expect(await reader.read()).toBe(output.text);
    expect(reader.chunks).toEqual([chunk(0, WORDS.length)]);
  });

  it('from a token on gets the whole chunk that holds it, and what follows', async () => {
    const story = new Story();
    await story.store(chunk(0), chunk(1, 4));
    const [inside, border] = [new Reader('inside'), new Reader('border')];
    await inside.attach(story.id, 2);
    await border.attach(story.id, 4);
    await story.store(chunk(4, 6));
    await story.commit();
    expect(await inside.read()).toBe(' upon a time 🙂.');
    expect(inside.chunks[0]?.index).toBe(1);
    expect(await border.read()).toBe(' 🙂.');
    const end = new Reader('at-the-end');
    await end.attach(story.id, WORDS.length);
    expect(await end.read()).toBe('');
  });

  it('sees nothing of a chunk that the stream has refused', async () => {
    const story = new Story();
    await story.store(chunk(0));
    const reader = new Reader('strict');
    await reader.attach(story.id);
    await waitFor(() => reader.chunks.length === 1, { what: 'the first chunk' });
    story.publishRefused({ index: 1, text: ' WRONG', tokens: [999] });
    story.publishRefused({ index: 0, text: 'Once', tokens: [100] });
    await story.store(chunk(1, 6));
    await story.commit();
    expect(await reader.read()).toBe(output.text);
  });

  it('gets every token once, whatever foreign bytes lie between the chunks', async () => {
    const story = new Story();
    const foreign: readonly (string | Uint8Array)[] = [
      new Uint8Array([0xff, 0xfe, 0x00]),
      '['.repeat(20_000),
      '{"index":-1,"text":"WRONG","tokens":[1]}',
      '{"index":1e99,"text":"WRONG","tokens":[1]}',
      '{"index":50,"text":"WRONG","tokens":[1]}',
      '{"index":0,"text":"WRONG","tokens":{"length":1e9}}',
      '',
    ];
    await story.store(chunk(0));
    for (const bytes of foreign) await story.storeForeign(bytes);
    await story.storeUnreadable();
    await story.store(chunk(1, 3));
    const reader = new Reader('unmoved');
    expect(await reader.attach(story.id)).toMatchObject({ ok: true });
    await waitFor(() => reader.text() === 'Once upon a', { what: 'the first three chunks' });
    for (const bytes of foreign) await story.storeForeign(bytes);
    await story.storeUnreadable();
    await story.store(chunk(3, 6));
    await story.commit();
    expect(await reader.read()).toBe(output.text);
  });

  it('to a task that failed gets what was streamed, and the error', async () => {
    const story = new Story();
    await story.store(chunk(0, 2));
    const reader = new Reader('failed');
    await reader.attach(story.id);
    const error = { code: 'CANCELLED', retryable: false, message: 'cancelled' };
    await story.commit({ ok: false, error });
    expect(await reader.read()).toBe('Once upon');
    expect(reader.end).toEqual({ end: 'result', body: { ok: false, error } });
  });

  it('again takes the place of its earlier self', async () => {
    const story = new Story();
    await story.store(chunk(0));
    const reader = new Reader('again');
    await reader.attach(story.id);
    await waitFor(() => reader.chunks.length === 1, { what: 'the first chunk' });
    await reader.attach(story.id, 1);
    await story.store(chunk(1, 6));
    await story.commit();
    expect(await reader.read()).toBe(output.text);
  });

  it('and leaves is found, and its place is free again', async () => {
    const story = new Story();
    await story.store(chunk(0));
    // Never subscribed, which for the kernel is the same as gone.
    await attach({ task: story.id, client: 'gone' });
    await waitFor(async () => (await readersNow()) === 0, { what: 'the place to be free' });
  });
});

describe('a client that may not use JetStream', () => {
  let os: LlmosClient;
  beforeAll(async () => {
    os = await connect({ servers: bench.nats.url });
  });
  afterAll(() => os?.close());

  const readAll = async (stream: ReplyStream): Promise<string> => {
    let text = '';
    for await (const each of stream) text += each.text;
    return text;
  };

  it('reads a running generation from its start and from a token, and its result', async () => {
    const story = new Story();
    await story.store(chunk(0), chunk(1, 3));
    const whole = os.task(story.id).stream({ via: 'kernel' });
    const tail = os.task(story.id).stream({ via: 'kernel', fromIndex: 2 });
    expect((await whole.next()).value).toMatchObject({ index: 0 });
    expect((await tail.next()).value).toEqual(chunk(1, 3));
    await story.store(chunk(3, 6));
    await story.commit();
    expect(await readAll(whole)).toBe(' time 🙂.');
    expect(await readAll(tail)).toBe(' time 🙂.');
    expect(await whole.result).toEqual(output);
  });

  it('reads one that has ended, and one whose stream has expired', async () => {
    const [kept, expired] = [new Story(), new Story()];
    await kept.store(chunk(0), chunk(1, 6));
    await kept.commit();
    await expired.commit();
    expect(await readAll(os.task(kept.id).stream({ via: 'kernel' }))).toBe(output.text);
    expect(await readAll(os.task(expired.id).stream({ via: 'kernel' }))).toBe(output.text);
  });

  it('has the errors of the kernel, and those of the task', async () => {
    const story = new Story();
    await story.commit();
    const beyond = os.task(story.id).stream({ via: 'kernel', fromIndex: 7 });
    await expect(beyond.next()).rejects.toMatchObject({ code: 'OUT_OF_RANGE' });
    const failed = new Story();
    await failed.store(chunk(0));
    const stream = os.task(failed.id).stream({ via: 'kernel' });
    await stream.next();
    const error = { code: 'CANCELLED', retryable: false, message: 'cancelled' };
    await failed.commit({ ok: false, error });
    await expect(stream.next()).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('attach refuses', () => {
  it('a task that nobody knows', async () => {
    const answer = await attach({ task: 'no-such-task', client: 'me' });
    expect(answer.error).toMatchObject({ code: 'NOT_FOUND', retryable: false });
    expect(answer.error?.message).toContain('no-such-task');
  });

  it('a task of another tenant, as if it were not there', async () => {
    const story = new Story();
    await story.store(chunk(0));
    const answer = await attach({ task: story.id, client: 'me' }, 'stranger');
    expect(answer.error).toMatchObject({ code: 'NOT_FOUND' });
  });

  it.each([-1, 1.5, 'x', null])('an index of %j', async (fromIndex) => {
    const answer = await attach({ task: 'any', client: 'me', fromIndex });
    expect(answer.error).toMatchObject({ code: 'INVALID_ARGUMENT', retryable: false });
    expect(answer.error?.message).toContain('fromIndex');
  });

  it.each(['a b', '', '*', 'a.b', 'x'.repeat(65)])('a client of %j', async (client) => {
    const answer = await attach({ task: 'any', client });
    expect(answer.error).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('an index beyond the end, with both numbers', async () => {
    const story = new Story();
    await story.commit();
    const answer = await attach({ task: story.id, client: 'me', fromIndex: 7 });
    expect(answer.error).toMatchObject({
      code: 'OUT_OF_RANGE',
      details: { fromIndex: 7, tokens: 6 },
    });
  });

  it('what is no generation, running or ended', async () => {
    const ended = new Story();
    await ended.commit({ ok: true, output: { embeddings: [] } });
    await bench.request('llmos.v1.submit.default.echo', 1, { headers: { 'Llmos-Id': 'waits' } });
    await waitFor(async () => (await stateOf('waits')) === 'queued', { what: 'it to come in' });
    for (const task of [ended.id, 'waits']) {
      const answer = await attach({ task, client: 'me' });
      expect(answer.error).toMatchObject({ code: 'FAILED_PRECONDITION' });
    }
  });

  it('more readers of one tenant than there are places, and says when to come again', async () => {
    const story = new Story();
    await story.store(chunk(0));
    const readers = Array.from({ length: 129 }, (_, index) => new Reader(`many-${index}`));
    const answers = await Promise.all(readers.map((reader) => reader.attach(story.id)));
    const refused = answers.filter((answer) => !answer.ok);
    expect(refused).toHaveLength(1);
    expect(refused[0]?.error).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      retryable: true,
      details: { retryAfterMs: 1_000 },
    });
    expect(await readersNow()).toBe(128);
    await story.store(chunk(1, 6));
    await story.commit();
    await waitFor(() => readers.filter((reader) => reader.end !== undefined).length === 128, {
      what: 'every reader to reach the end',
    });
    expect(new Set(readers.filter((reader) => reader.end).map((reader) => reader.text()))).toEqual(
      new Set([output.text]),
    );
    await waitFor(async () => (await readersNow()) === 0, { what: 'every place to be free' });
  });
});

it('a kernel that stops tells its readers to attach again', async () => {
  const story = new Story();
  await story.store(chunk(0));
  const reader = new Reader('left-behind');
  await reader.attach(story.id);
  await waitFor(() => reader.chunks.length === 1, { what: 'the first chunk' });
  await kernel.close();
  await reader.read();
  expect(reader.end).toMatchObject({
    end: 'detached',
    body: { ok: false, error: { code: 'UNAVAILABLE', retryable: true } },
  });
  kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  const next = new Reader('left-behind');
  await waitFor(async () => (await next.attach(story.id, 1)).ok, { what: 'the new leader' });
  await story.store(chunk(1, 6));
  await story.commit();
  expect(await next.read()).toBe(' upon a time 🙂.');
});
