/** What was asked of a kernel before it stopped, and what it says of itself meanwhile. */
import { decodeJson } from '@llmos/base';
import { createInbox } from 'nats';
import { NatsProxy } from '../support/nats-proxy';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { waitFor } from '../support/wait-for';

let bench: KernelBench;

beforeEach(async () => {
  bench = await startKernelBench();
});
afterEach(() => bench.stop());

interface Reply {
  readonly ok: boolean;
  readonly error?: { readonly code: string };
}

/** Sends requests as one burst, without waiting; `replies` grows as they are answered. */
function burst(subjectOf: (n: number) => string, count: number) {
  const inbox = createInbox();
  const replies: Reply[] = [];
  bench.connection.subscribe(`${inbox}.*`, {
    callback: (_error, msg) => {
      // Nobody serves it any more: another kernel would, or the client tries again.
      const isUnserved = msg.data.length === 0 && msg.headers?.code === 503;
      const unserved: Reply = { ok: false, error: { code: 'unserved' } };
      replies.push(isUnserved ? unserved : (decodeJson(msg.data) as Reply));
    },
  });
  for (let n = 0; n < count; n += 1) {
    bench.connection.publish(subjectOf(n), '1', { reply: `${inbox}.${n}` });
  }
  return replies;
}

function expectNoOther(replies: readonly Reply[], codes: readonly string[]): void {
  const others = new Set(replies.filter(({ ok }) => !ok).map(({ error }) => error?.code ?? ''));
  for (const code of codes) others.delete(code);
  expect([...others]).toEqual([]);
}

it('is stored and answered, or refused by name, however much of it stood in line', async () => {
  const kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  const count = 5_000;
  const replies = burst(() => 'llmos.v1.submit.default.echo', count);
  await waitFor(() => replies.length > 0, { what: 'the first answer', everyMs: 1 });
  await kernel.close();
  await waitFor(() => replies.length === count, { what: 'every request to be answered' });
  expectNoOther(replies, ['unserved', 'UNAVAILABLE']);
  const stored = replies.filter(({ ok }) => ok).length;
  expect(stored).toBeGreaterThan(0);
  const { state } = await bench.manager.streams.info('LLMOS_TASKS');
  // One that was on its way when there was no more time may be stored all the same.
  expect(state.messages).toBeGreaterThanOrEqual(stored);
});

it('is done or refused by name, where only a leader can do it', async () => {
  const kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  const count = 10_000;
  const replies = burst((n) => `llmos.v1.cancel.default.t${n}`, count);
  await waitFor(() => replies.length > 0, { what: 'the first answer', everyMs: 1 });
  await kernel.close();
  await waitFor(() => replies.length === count, { what: 'every request to be answered' });
  expectNoOther(replies, ['unserved', 'UNAVAILABLE']);
});

it('is not ready while its server is away, and is again once that is back', async () => {
  const proxy = await NatsProxy.start(bench.nats.port);
  const kernel = await bench.startKernel({ LLMOS_SERVERS: proxy.url });
  await bench.untilLeading(kernel);
  const readiness = async (): Promise<string> => {
    const answer = await fetch(`${kernel.httpUrl}/readyz`);
    const { state } = (await answer.json()) as { readonly state: string };
    return `${answer.status} ${state}`;
  };
  const untilSaid = (said: string) =>
    waitFor(async () => (await readiness()) === said, { what: `/readyz to say ${said}` });
  try {
    await untilSaid('200 leading');
    proxy.hold();
    proxy.cut();
    await untilSaid('503 disconnected');
    proxy.answer();
    await untilSaid('200 leading');
  } finally {
    await kernel.close();
    await proxy.close();
  }
});
