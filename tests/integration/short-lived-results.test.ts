/** Where results are kept, what an id stands for, and what a refusal leaves behind. */
import { STREAMS, decodeJson } from '@llmos/base';
import { headers as newHeaders } from 'nats';
import type { FakeNode } from '../support/fake-node';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { waitFor } from '../support/wait-for';

let bench: KernelBench;
let node: FakeNode;
beforeAll(async () => {
  bench = await startKernelBench();
  await bench.untilLeading(await bench.startKernel());
  node = await bench.startNode();
});
afterAll(() => bench?.stop());

const messagesIn = async (stream: string): Promise<number> =>
  (await bench.manager.streams.info(stream)).state.messages;

async function storedAt(stream: string, subject: string): Promise<unknown> {
  const stored = await bench.manager.streams.getMessage(stream, { last_by_subj: subject });
  return decodeJson(stored.data);
}

it('keeps the answer of a call without an id among the answers, all others with the results', async () => {
  const results = await messagesIn(STREAMS.results);
  const answers = await messagesIn(STREAMS.answers);
  expect(await bench.request('llmos.v1.call.default.echo', 1)).toEqual({ ok: true, output: 1 });
  expect(await messagesIn(STREAMS.answers)).toBe(answers + 1);
  expect(await messagesIn(STREAMS.results)).toBe(results);
  const named = await bench.request('llmos.v1.call.default.echo', 2, {
    headers: { 'Llmos-Id': 'kept-1' },
  });
  expect(named).toEqual({ ok: true, output: 2 });
  expect(await storedAt(STREAMS.results, 'llmos.v1.result.default.kept-1')).toEqual(named);
});

it('keeps what was submitted for as long as it asks', async () => {
  await bench.request('llmos.v1.submit.default.echo', 3, {
    headers: { 'Llmos-Id': 'short-1', 'Llmos-Keep-Ms': '60000' },
  });
  const stored = await waitFor(() => storedAt(STREAMS.answers, 'llmos.v1.answer.default.short-1'), {
    what: 'the result among the answers',
  });
  expect(stored).toEqual({ ok: true, output: 3 });
  const repeated = await bench.request('llmos.v1.submit.default.echo', 3, {
    headers: { 'Llmos-Id': 'short-1', 'Llmos-Keep-Ms': '60000' },
  });
  expect(repeated.output).toMatchObject({ duplicate: true });
});

/** As a kernel leaves it behind where a limit keeps an earlier task of the id out. */
async function storeRefusal(task: string): Promise<void> {
  const headers = newHeaders();
  headers.set('Llmos-Refused', '1000000');
  const error = { code: 'RESOURCE_EXHAUSTED', retryable: true, message: 'full' };
  const body = JSON.stringify({ ok: false, error });
  await bench.jetstream.publish(`llmos.v1.answer.default.${task}`, body, { headers });
}

describe('an id that a limit kept out', () => {
  it('is free at once: the task that comes again runs, and has its result', async () => {
    await storeRefusal('burnt-1');
    const headers = newHeaders();
    headers.set('Llmos-Id', 'burnt-1');
    await bench.jetstream.publish('llmos.v1.task.standard.default.echo', '5', { headers });
    const stored = await waitFor(
      () => storedAt(STREAMS.results, 'llmos.v1.result.default.burnt-1'),
      { what: 'the result' },
    );
    expect(stored).toEqual({ ok: true, output: 5 });
    // Who reads from now on finds no refusal in its way.
    await expect(storedAt(STREAMS.answers, 'llmos.v1.answer.default.burnt-1')).rejects.toThrow(
      'no message found',
    );
  });

  it('has its end where it is cancelled before it comes again', async () => {
    await storeRefusal('burnt-3');
    const answer = await bench.request('llmos.v1.cancel.default.burnt-3', {});
    expect(answer.ok).toBe(true);
    await waitFor(
      async () => {
        const stored = await storedAt(STREAMS.answers, 'llmos.v1.answer.default.burnt-3');
        return (stored as { error: { code: string } }).error.code === 'CANCELLED';
      },
      { what: 'the end in the place of the refusal' },
    );
  });

  it('has the end of a short-lived task in the place of the refusal', async () => {
    const headers = newHeaders();
    headers.set('Llmos-Id', 'burnt-2');
    headers.set('Llmos-Keep-Ms', '60000');
    await storeRefusal('burnt-2');
    await bench.jetstream.publish('llmos.v1.task.standard.default.nosuch', '5', { headers });
    await waitFor(
      async () => {
        const stored = await storedAt(STREAMS.answers, 'llmos.v1.answer.default.burnt-2');
        return (stored as { error: { code: string } }).error.code === 'NOT_FOUND';
      },
      { what: 'the end of the task' },
    );
  });
});

describe('an id of another function or body', () => {
  it('is refused by name in a call and a submit, whatever became of the first', async () => {
    const headers = { 'Llmos-Id': 'one-1' };
    await bench.request('llmos.v1.call.default.echo', 'first', { headers });
    for (const kind of ['call', 'submit'] as const) {
      const answer = await bench.request(`llmos.v1.${kind}.default.echo`, 'second', { headers });
      expect(answer.error).toMatchObject({
        code: 'ALREADY_EXISTS',
        retryable: false,
        message: expect.stringContaining('id one-1 is that of another task') as unknown,
      });
    }
    const again = await bench.request('llmos.v1.call.default.echo', 'first', { headers });
    expect(again.output).toBe('first');
    expect(node.ran.filter((key) => key.startsWith('default/one-1#'))).toHaveLength(1);
  });

  it('ends under the number of its message where it was published', async () => {
    const headers = newHeaders();
    headers.set('Llmos-Id', 'two-1');
    const subject = 'llmos.v1.task.standard.default.echo';
    await bench.jetstream.publish(subject, '"first"', { headers });
    await waitFor(() => storedAt(STREAMS.results, 'llmos.v1.result.default.two-1'), {
      what: 'the result of the first',
    });
    const { seq } = await bench.jetstream.publish(subject, '"second"', { headers });
    const refused = await waitFor(
      () => storedAt(STREAMS.results, `llmos.v1.result.default.s${seq}`),
      { what: 'the end of the second' },
    );
    expect(refused).toMatchObject({ ok: false, error: { code: 'ALREADY_EXISTS' } });
    expect(await storedAt(STREAMS.results, 'llmos.v1.result.default.two-1')).toEqual({
      ok: true,
      output: 'first',
    });
  });
});
