/** Two kernels on one real NATS server: who leads, and what becomes of the tasks. */
import { BUCKETS, STREAMS, decodeJson, encodeJson } from '@llmos/base';
import type { RunningKernel } from '@llmos/kernel';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { waitFor } from '../support/wait-for';

let bench: KernelBench;

beforeEach(async () => {
  bench = await startKernelBench();
});
afterEach(() => bench.stop());

async function consumerEpochs(): Promise<number[]> {
  const epochs = new Set<number>();
  for await (const consumer of bench.manager.consumers.list(STREAMS.tasks)) {
    epochs.add(Number(consumer.name.split('-')[1]));
  }
  return [...epochs];
}

/** A leader that has just begun may not have its subscription at the server yet. */
function epochOfLeader(): Promise<number> {
  const look = async (): Promise<number | undefined> => {
    const { output } = await bench.request('llmos.v1.sys.default.info', {});
    return Number(output?.['epoch']) || undefined;
  };
  return waitFor(look, { what: 'the leader to answer' });
}

function resultCount(): Promise<number> {
  return bench.manager.streams.info(STREAMS.results).then((info) => info.state.messages);
}

function taskCount(): Promise<number> {
  return bench.manager.streams.info(STREAMS.tasks).then((info) => info.state.messages);
}

it('a standby takes over at once when the leader stops, with every task that waited', async () => {
  const first = await bench.startKernel();
  await bench.untilLeading(first);
  const second = await bench.startKernel({ LLMOS_LEASE_MS: '600000' });
  for (let n = 0; n < 50; n += 1) {
    await bench.jetstream.publish('llmos.v1.task.standard.default.echo', String(n));
  }
  expect(second.isLeading()).toBe(false);
  const firstEpoch = await epochOfLeader();
  await first.close();
  // The lease is longer than the wait: the release is what lets it in.
  await waitFor(() => second.isLeading(), { what: 'the standby to lead' });
  expect(await epochOfLeader()).toBeGreaterThan(firstEpoch);
  expect(await consumerEpochs()).toEqual([await epochOfLeader()]);
  await bench.startNode();
  await waitFor(async () => (await taskCount()) === 0, { what: 'all tasks to end' });
  expect(await resultCount()).toBe(50);
});

it('a leader whose lease was taken ends its leadership and goes back to following', async () => {
  const kernel = await bench.startKernel({ LLMOS_LEASE_MS: '2000' });
  await bench.untilLeading(kernel);
  const bucket = await bench.jetstream.views.kv(BUCKETS.leader, { bindOnly: true });
  const entry = await bucket.get('leader');
  const record = decodeJson(entry?.value ?? new Uint8Array()) as object;
  const thief = { ...record, kernelId: 'thief', epoch: 0, grpcUrl: '127.0.0.1:1' };
  await bucket.put('leader', encodeJson(thief));
  await waitFor(() => !kernel.isLeading(), { what: 'the leader to step down' });
  // The thief never renews, so the kernel leads again, under a higher epoch.
  await waitFor(() => kernel.isLeading(), { what: 'the kernel to lead again' });
  expect(await epochOfLeader()).toBeGreaterThan(entry?.revision ?? 0);
});

it('every kernel answers calls and submits, while only the leader answers system calls', async () => {
  const kernels: RunningKernel[] = [await bench.startKernel(), await bench.startKernel()];
  await waitFor(() => kernels.some((kernel) => kernel.isLeading()), { what: 'a leader' });
  await bench.startNode();
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) => bench.request('llmos.v1.call.default.echo', n)),
  );
  expect(answers.map((answer) => answer.output)).toEqual([...answers.keys()]);
  let replies = 0;
  const inbox = '_INBOX.kernel-leadership-test';
  bench.connection.subscribe(inbox, { callback: () => (replies += 1) });
  bench.connection.publish('llmos.v1.sys.default.ps', '{}', { reply: inbox });
  await bench.request('llmos.v1.sys.default.ps', {});
  await bench.connection.flush();
  expect(replies).toBe(1);
});

it('goes on after the NATS server was restarted', async () => {
  const kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  await bench.startNode();
  expect((await bench.request('llmos.v1.call.default.echo', 1)).output).toBe(1);
  await bench.nats.restart();
  await waitFor(
    async () => {
      const answer = await bench.request('llmos.v1.call.default.echo', 2, { timeoutMs: 2_000 });
      return answer.output === (2 as unknown);
    },
    { what: 'a call to be answered again' },
  );
});

it('ends the tasks that no consumer is given', async () => {
  const first = await bench.startKernel();
  await bench.untilLeading(first);
  await first.close();
  const publish = async (subject: string): Promise<number> =>
    (await bench.jetstream.publish(`llmos.v1.task.standard.${subject}`, '1')).seq;
  await publish('>.echo');
  const named = await publish('default.>');
  const good = await publish('default.echo');
  await bench.untilLeading(await bench.startKernel());
  await bench.startNode();
  await waitFor(
    async () => (await bench.manager.streams.info(STREAMS.tasks)).state.messages === 0,
    { what: 'the queue to be empty' },
  );
  const resultOf = async (sequence: number): Promise<unknown> => {
    const last_by_subj = `llmos.v1.result.default.s${sequence}`;
    return (await bench.manager.streams.getMessage(STREAMS.results, { last_by_subj })).json();
  };
  expect(await resultOf(named)).toMatchObject({ ok: false, error: { code: 'INVALID_ARGUMENT' } });
  expect(await resultOf(good)).toEqual({ ok: true, output: 1 });
});
