/** A tenant that fills a store is refused alone: others go on, on a real server with little room. */
import { STREAMS, decodeJson } from '@llmos/base';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { waitFor } from '../support/wait-for';

let bench: KernelBench;
beforeAll(async () => {
  bench = await startKernelBench();
  const env = { LLMOS_STORAGE_BYTES: String(64 * 1024 * 1024) };
  await bench.untilLeading(await bench.startKernel(env));
  await bench.startNode();
});
afterAll(() => bench?.stop());

const LARGE = 'x'.repeat(200_000);
const REFUSED = {
  code: 'RESOURCE_EXHAUSTED',
  retryable: true,
  message: expect.stringMatching(/^tenant bulk has \d+ of \d+ bytes in LLMOS_RESULTS/) as unknown,
};

const levelOf = async (stream: string): Promise<number> => {
  const { config, state } = await bench.manager.streams.info(stream);
  return state.bytes / config.max_bytes;
};

it('refuses the results of the one that has filled them, published or called, and no other', async () => {
  const submit = (): Promise<unknown> => bench.request('llmos.v1.submit.bulk.echo', LARGE);
  await bench.request('llmos.v1.submit.zenith.echo', LARGE);
  await waitFor(
    async () => {
      const answers = await Promise.all([1, 2, 3, 4].map(submit));
      return answers.some((answer) => (answer as { ok: boolean }).ok === false);
    },
    { what: 'a refusal', everyMs: 1 },
  );
  const keep = { headers: { 'Llmos-Id': 'kept-1' } };
  const called = await bench.request('llmos.v1.call.bulk.echo', 1, keep);
  expect(called.error).toMatchObject(REFUSED);
  expect(await levelOf(STREAMS.results)).toBeLessThan(0.97);

  // Stored before anyone could refuse it: it ends in an answer that is soon forgotten.
  const ack = await bench.jetstream.publish('llmos.v1.task.batch.bulk.echo', '1');
  const subject = `llmos.v1.answer.bulk.s${ack.seq}`;
  const stored = await waitFor(
    () => bench.manager.streams.getMessage(STREAMS.answers, { last_by_subj: subject }),
    { what: 'the refusal of the published task' },
  );
  expect(decodeJson(stored.data)).toMatchObject({ ok: false, error: REFUSED });
  // By this mark others know that it is no result, and of which message it is.
  expect(stored.header.get('Llmos-Refused')).toBe(String(ack.seq));

  const other = await bench.request('llmos.v1.call.zenith.echo', 2, keep);
  expect(other).toEqual({ ok: true, output: 2 });
  // What nobody can ask for again is stored elsewhere.
  expect(await bench.request('llmos.v1.call.bulk.echo', 3)).toEqual({ ok: true, output: 3 });
});

it('lets refusals make room for each other among the answers', async () => {
  const { config } = await bench.manager.streams.info(STREAMS.answers);
  // A refusal is about as large as its id may be; together they are more than the store holds.
  const of = (): Promise<unknown> => bench.jetstream.publish('llmos.v1.task.batch.bulk.echo', '1');
  const first = await bench.manager.streams.info(STREAMS.answers);
  const largest = (0.9 * config.max_bytes) / 700;
  for (let sent = 0; sent < largest; sent += 500) {
    await Promise.all(Array.from({ length: 500 }, of));
  }
  await waitFor(
    async () => {
      const { state } = await bench.manager.streams.info(STREAMS.answers);
      return state.last_seq - first.state.last_seq >= largest;
    },
    { what: 'every refusal', limitMs: 120_000 },
  );
  expect(await levelOf(STREAMS.answers)).toBeLessThan(0.5);
  expect(await bench.request('llmos.v1.call.zenith.echo', 4)).toEqual({ ok: true, output: 4 });
});
