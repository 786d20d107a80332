/** The life of tasks through one kernel, on a real NATS server and a fake node. */
import { STREAMS, decodeJson } from '@llmos/base';
import { headers as newHeaders } from 'nats';
import type { FakeNode } from '../support/fake-node';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { rawPublish } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

let bench: KernelBench;
let node: FakeNode;

beforeAll(async () => {
  bench = await startKernelBench();
  await bench.untilLeading(await bench.startKernel());
  node = await bench.startNode({ commits: 3 });
});
afterAll(() => bench.stop());

async function publish(
  subject: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<number> {
  const all = newHeaders();
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  return (await bench.jetstream.publish(subject, body, { headers: all })).seq;
}

async function result(tenant: string, task: string): Promise<Record<string, unknown>> {
  const stored = await waitFor(
    () =>
      bench.manager.streams
        .getMessage(STREAMS.results, { last_by_subj: `llmos.v1.result.${tenant}.${task}` })
        .catch(() => undefined),
    { what: `the result of ${tenant}/${task}` },
  );
  return decodeJson(stored.data) as Record<string, unknown>;
}

async function taskCount(): Promise<number> {
  return (await bench.manager.streams.info(STREAMS.tasks)).state.messages;
}

async function resultCount(): Promise<number> {
  return (await bench.manager.streams.info(STREAMS.results)).state.messages;
}

it('ends every published task with exactly one result, however often it is committed', async () => {
  const before = await resultCount();
  const sequences = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      publish('llmos.v1.task.standard.default.echo', JSON.stringify({ index })),
    ),
  );
  for (const [index, sequence] of sequences.entries()) {
    expect(await result('default', `s${sequence}`)).toEqual({ ok: true, output: { index } });
  }
  await waitFor(async () => (await taskCount()) === 0, { what: 'every task to be acknowledged' });
  expect((await resultCount()) - before).toBe(100);
  expect(node.commitOutcomes).toEqual({ won: 100, lost: 200 });
  expect(new Set(node.ran).size).toBe(node.ran.length);
});

it('runs the same id once for one tenant, and as another task for another tenant', async () => {
  const ran = node.ran.length;
  const headers = { 'Llmos-Id': 'order-1' };
  await publish('llmos.v1.task.standard.a.echo', '"a"', headers);
  await publish('llmos.v1.task.standard.a.echo', '"a"', headers);
  await publish('llmos.v1.task.standard.b.echo', '"b"', headers);
  expect(await result('a', 'order-1')).toEqual({ ok: true, output: 'a' });
  expect(await result('b', 'order-1')).toEqual({ ok: true, output: 'b' });
  await publish('llmos.v1.task.batch.a.echo', '"later"', headers);
  await waitFor(async () => (await taskCount()) === 0, { what: 'the duplicates to end' });
  expect(await result('a', 'order-1')).toEqual({ ok: true, output: 'a' });
  expect(node.ran.slice(ran).sort()).toEqual(['a/order-1#1', 'b/order-1#1']);
});

describe('what can’t be read ends in a typed error', () => {
  const cases: [string, string, Record<string, string>, string, string][] = [
    ['a body that is not JSON', '{"a":', {}, 'INVALID_ARGUMENT', 'not JSON'],
    ['an empty body', '', {}, 'INVALID_ARGUMENT', 'empty'],
    ['a bad id', '1', { 'Llmos-Id': 'a b' }, 'INVALID_ARGUMENT', 'Llmos-Id'],
    ['a bad key', '1', { 'Llmos-Id': 'ok-1', 'Llmos-Key': 'a.b' }, 'INVALID_ARGUMENT', 'Llmos-Key'],
    ['the id of another', '1', { 'Llmos-Id': 's999' }, 'INVALID_ARGUMENT', 's999'],
  ];
  it.each(cases)('%s, under s<sequence>', async (_name, body, headers, code, part) => {
    const sequence = await publish('llmos.v1.task.standard.default.echo', body, headers);
    const { ok, error } = await result('default', `s${sequence}`);
    expect(ok).toBe(false);
    expect(error).toMatchObject({ code, message: expect.stringContaining(part) as string });
  });

  it('a bad priority, under its own id', async () => {
    const headers = { 'Llmos-Id': 'prio-1', 'Llmos-Priority': '77' };
    await publish('llmos.v1.task.standard.default.echo', '1', headers);
    expect((await result('default', 'prio-1'))['error']).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('77') as string,
    });
  });

  it('an unknown function, by name', async () => {
    const sequence = await publish('llmos.v1.task.standard.default.nothing', '1');
    const { error } = await result('default', `s${sequence}`);
    expect(error).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('a large body of a model function without Llmos-Model', async () => {
    const body = JSON.stringify({ model: 'm', text: 'x'.repeat(70_000) });
    const sequence = await publish('llmos.v1.task.standard.default.embed', body);
    const { error } = await result('default', `s${sequence}`);
    expect(error).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('Llmos-Model') as string,
    });
  });

  it('a function that is no token, under its sequence', async () => {
    for (const name of ['ec$ho', '*']) {
      const sequence = await publish(`llmos.v1.task.standard.default.${name}`, '1');
      expect((await result('default', `s${sequence}`))['error']).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining(`"${name}"`) as string,
      });
    }
  });

  it('a header whose name can’t be decoded, without hurting anyone else', async () => {
    const payload = '1';
    const block = 'NATS/1.0\r\nBad Name: x\r\n\r\n';
    const raw = Buffer.from(block + payload);
    const subject = 'llmos.v1.task.standard.default.echo';
    // The client refuses to write such a header, so it is written as a raw protocol line.
    await rawPublish({ url: bench.nats.url, subject, headerBytes: block.length, bytes: raw });
    await waitFor(async () => (await taskCount()) === 0, { what: 'the message to end' });
    const next = await publish(subject, '"still here"');
    expect(await result('default', `s${next}`)).toEqual({ ok: true, output: 'still here' });
  });
});

it('refuses at publish what is not a task subject at all', async () => {
  await expect(publish('llmos.v1.task.urgent.default.echo', '1')).rejects.toThrow();
  await expect(publish('llmos.v1.task.standard.default.echo.more', '1')).rejects.toThrow();
});

it('cancels a task by its id, also before it is taken in', async () => {
  const answer = await bench.request('llmos.v1.cancel.default.early-1', {});
  expect(answer.ok).toBe(true);
  expect((await result('default', 'early-1'))['error']).toMatchObject({ code: 'CANCELLED' });
  await publish('llmos.v1.task.standard.default.echo', '1', { 'Llmos-Id': 'early-1' });
  await waitFor(async () => (await taskCount()) === 0, { what: 'the cancelled task to end' });
  expect(node.ran.filter((key) => key.includes('early-1'))).toEqual([]);
});
