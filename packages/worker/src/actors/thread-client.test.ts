import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemAlarm } from '../adapters/os/system-alarm';
import { ThreadClient } from './thread-client';
import type { GivenBack, ThreadDeath } from './thread-client';
import type { ContextCounts, ThreadAnswer, ThreadRequest } from './thread-protocol';

/** A thread whose behaviour each request's body names. */
const THREAD = `
const { parentPort } = require('node:worker_threads');
const say = (message) => parentPort.postMessage(message);
let held = [];
let heardRuns = 0;
parentPort.on('message', (message) => {
  if (message.kind === 'load') {
    if (message.options.device === 'bad') say({ kind: 'load-failed', code: 'INVALID_ARGUMENT', message: 'no graph', retryable: false });
    else if (message.options.device === 'vast') for (const all = [];;) all.push(new Array(1000).fill({}));
    else say({ kind: 'loaded', provider: 'cpu', loadMs: 1 });
  } else if (message.kind === 'close') { say({ kind: 'closed' }); process.exit(0); }
  else if (message.kind === 'cancel') {
    if (held.includes(message.requestId)) answer(message.requestId, 'cancelled');
    say({ kind: 'idle', heardRuns, answers: [] });
  } else if (message.kind === 'preempt') {
    if (held.includes(message.requestId)) {
      say({ kind: 'contexts', counts: { running: 1 } });
      say({ kind: 'preempted', requestId: message.requestId, tokens: [1, 2], text: 'ab' });
      say({ kind: 'idle', heardRuns, answers: [] });
    }
  } else { heardRuns += 1; run(message.requests); }
});
function answer(requestId, text) { say({ kind: 'answered', answers: [{ requestId, result: Buffer.from(text) }] }); }
function run(requests) {
  for (const { requestId, body } of requests) {
    const what = Buffer.from(body).toString();
    if (what === 'throw') throw new Error('boom');
    if (what === 'forget') { say({ kind: 'idle', heardRuns, answers: [] }); return; }
    if (what === 'hoard') for (const all = [];;) all.push(new Array(1000).fill({}));
    if (what === 'spin') for (;;);
    if (what === 'cross') {
      // It was on its way when these came.
      say({ kind: 'idle', heardRuns: heardRuns - 1, answers: [] });
      for (const held_ of held.splice(0)) answer(held_, 'held');
    }
    if (what === 'hold') { held.push(requestId); return; }
    say({ kind: 'chunk', requestId, chunk: { index: 0, text: what, tokens: [1] } });
    answer(requestId, what);
    if (what === 'twice') answer(requestId, what);
  }
  say({ kind: 'idle', heardRuns, answers: [] });
}
`;

let folder: string;
const clients: ThreadClient[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-thread-'));
  writeFileSync(join(folder, 'thread.js'), THREAD);
});
afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(limits: { cancelAnswerMs?: number; stepMs?: number } = {}) {
  let onDeath: (death: ThreadDeath) => void = () => undefined;
  const death = new Promise<ThreadDeath>((resolve) => (onDeath = resolve));
  const contexts: ContextCounts[] = [];
  const client = new ThreadClient({
    name: 't0',
    entry: join(folder, 'thread.js'),
    alarm: systemAlarm,
    heapBytes: 64 * 1024 * 1024,
    limits: { cancelAnswerMs: 10_000, stepMs: 10_000, closeMs: 5000, ...limits },
    onDeath,
    onContexts: (counts) => contexts.push(counts),
  });
  clients.push(client);
  return { client, death, contexts };
}
const request = (requestId: number, body: string): ThreadRequest => ({
  requestId,
  function: 'embed',
  format: 'json',
  body: Buffer.from(body),
  stream: false,
  seedText: 's',
  class: 'standard',
  priority: 5,
  sequence: 1,
});
const OPTIONS = {
  packageFolder: '/nowhere',
  manifest: { task: 'embed', graph: 'model.onnx' },
  device: 'cpu',
  intraOpThreads: 1,
} as const;
const ignore = { cost: () => undefined, chunk: () => undefined, answered: () => undefined };
const ignoreAll = { ...ignore, preempted: () => undefined };

describe('thread client', () => {
  it('loads, runs one step at a time and leaves the caller its bodies', async () => {
    const { client } = start();
    expect(await client.load(OPTIONS)).toEqual({ provider: 'cpu' });
    const answers: ThreadAnswer[] = [];
    const chunks: string[] = [];
    const of = request(1, 'hello');
    const step = client.run([of, request(2, 'world')], {
      cost: () => undefined,
      chunk: (_id, chunk) => chunks.push(chunk.text),
      answered: (answer) => answers.push(answer),
    });
    expect(client.isIdle).toBe(false);
    expect(() => client.run([request(3, 'x')], ignore)).toThrow('not idle');
    await step;
    expect(answers.map((answer) => Buffer.from(answer.result).toString())).toEqual([
      'hello',
      'world',
    ]);
    expect(chunks).toEqual(['hello', 'world']);
    expect(Buffer.from(of.body).toString()).toBe('hello');
    expect(client.isIdle).toBe(true);
  });

  it('passes on why a model can’t be loaded', async () => {
    const { client } = start();
    await expect(client.load({ ...OPTIONS, device: 'bad' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'no graph',
    });
  });

  it('cancels a request, which is still answered', async () => {
    const { client } = start();
    const answers: number[] = [];
    const step = client.run([request(7, 'hold')], {
      ...ignore,
      answered: (answer) => answers.push(answer.requestId),
    });
    client.cancel(7);
    client.cancel(99);
    await step;
    expect(answers).toEqual([7]);
  });

  it('ends a step when what interrupted it is answered too, also where that crossed its end', async () => {
    const { client, death } = start();
    const answers: string[] = [];
    const events = {
      ...ignore,
      answered: (answer: ThreadAnswer) => answers.push(Buffer.from(answer.result).toString()),
    };
    const step = client.run([request(1, 'hold')], events);
    client.join([request(2, 'cross')], events);
    await Promise.race([step, death.then(({ message }) => Promise.reject(new Error(message)))]);
    expect(answers).toEqual(['held', 'cross']);
    expect(client.isIdle).toBe(true);
  });

  it('lets requests join those that run, and gives one back', async () => {
    const { client, contexts } = start();
    const given = new Promise<GivenBack>((resolve) => {
      client.join([request(1, 'hold')], { ...ignoreAll, preempted: resolve });
    });
    const answer = new Promise<ThreadAnswer>((resolve) => {
      client.join([request(2, 'hello')], { ...ignoreAll, answered: resolve });
    });
    expect((await answer).requestId).toBe(2);
    expect(client.isIdle).toBe(false);
    client.preempt(1);
    client.preempt(99);
    expect(await given).toMatchObject({ requestId: 1, tokens: [1, 2], text: 'ab' });
    expect(contexts).toEqual([{ running: 1 }]);
    expect(client.isIdle).toBe(true);
  });

  it('is dead when a generation is neither given back nor answered', async () => {
    const { client, death } = start({ cancelAnswerMs: 50 });
    client.join([request(1, 'spin')], ignoreAll);
    client.preempt(1);
    expect((await death).message).toContain('did not answer a preemption');
  });

  it.each([
    ['throw', 'boom'],
    ['twice', 'request 1, which is not open'],
    ['forget', 'without an answer to request 1'],
    ['hoard', 'its JavaScript needs more than 67108864 bytes of memory'],
  ])('is dead when its thread does %s', async (body, why) => {
    const { client, death } = start();
    void client.run([request(1, body)], ignore);
    expect((await death).message).toContain(why);
    expect(client.isIdle).toBe(false);
  });

  it('says so where only the memory of its JavaScript was too little', async () => {
    const { client, death } = start();
    void client.run([request(1, 'hoard')], ignore);
    expect(await death).toMatchObject({ heapBytes: 67_108_864 });
    const other = start();
    void other.client.run([request(1, 'throw')], ignore);
    expect(await other.death).not.toHaveProperty('heapBytes');
  });

  it('fails a load for good that needs more memory than a thread has, and is no death', async () => {
    const { client, death } = start();
    await expect(client.load({ ...OPTIONS, device: 'vast' })).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      retryable: false,
      message: expect.stringContaining('more than 67108864 bytes of memory') as string,
    });
    const first = await Promise.race([death, new Promise((resolve) => setImmediate(resolve))]);
    expect(first).toBeUndefined();
  });

  it('is dead when a cancel is not answered, or a step gives no sign of life', async () => {
    const deaf = start({ cancelAnswerMs: 50 });
    void deaf.client.run([request(1, 'spin')], ignore);
    deaf.client.cancel(1);
    expect((await deaf.death).message).toContain('did not answer a cancel');
    const hung = start({ stepMs: 50 });
    void hung.client.run([request(1, 'hold')], ignore);
    expect((await hung.death).message).toContain('no sign of life');
  });
});
