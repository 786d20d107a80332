/**
 * Epochs that no leader had: in the leader's record, in names of consumers, in what a process says
 * it obeys. Whoever wrote them, the system goes on and says that it saw them.
 */
import { BUCKETS, LEADER_STREAM, STREAMS, encodeJson } from '@llmos/base';
import type { ForeignEpochsSeen, ProcessRow } from '@llmos/base';
import { AckPolicy } from 'nats';
import type { KV } from 'nats';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { waitFor } from '../support/wait-for';

const HUGE = Number.MAX_SAFE_INTEGER;
const LEASE = { LLMOS_LEASE_MS: '2000' } as const;

let bench: KernelBench;
beforeEach(async () => {
  bench = await startKernelBench();
});
afterEach(() => bench.stop());

interface Info {
  readonly epoch: number;
  readonly foreignEpochs: ForeignEpochsSeen;
}

const info = async (): Promise<Info> =>
  (await bench.request('llmos.v1.sys.default.info', {})).output as unknown as Info;
const rows = async (): Promise<readonly ProcessRow[]> => {
  const { output } = await bench.request('llmos.v1.sys.default.ps', {});
  return output?.['processes'] as readonly ProcessRow[];
};
const leaders = (): Promise<KV> => bench.jetstream.views.kv(BUCKETS.leader, { bindOnly: true });
const epochInStore = async (): Promise<number> =>
  ((await (await leaders()).get('leader'))?.json<{ epoch: number }>() ?? { epoch: -1 }).epoch;
const echo = async (value: number): Promise<unknown> =>
  (await bench.request('llmos.v1.call.default.echo', value)).output;

function forge(): Promise<number> {
  const record = { kernelId: 'nobody', epoch: HUGE, httpUrl: '', grpcUrl: '127.0.0.1:1' };
  return leaders().then((bucket) =>
    bucket.put('leader', encodeJson({ ...record, isReleased: false })),
  );
}

async function addConsumer(name: string, filter: string): Promise<void> {
  await bench.manager.consumers.add(STREAMS.tasks, {
    durable_name: name,
    filter_subject: filter,
    ack_policy: AckPolicy.Explicit,
  });
}

it('a leader writes over a record that names a huge epoch, and goes on under its own', async () => {
  const kernel = await bench.startKernel(LEASE);
  await bench.untilLeading(kernel);
  await bench.startNode();
  const { epoch } = await info();
  await forge();
  await waitFor(async () => (await epochInStore()) === epoch, { what: 'the record to be renewed' });
  expect(await echo(1)).toBe(1);
  const said = await info();
  expect([said.epoch, said.foreignEpochs.leaderRecords]).toEqual([epoch, 1]);
});

it('a kernel takes the lease over such a record, where nobody leads', async () => {
  const first = await bench.startKernel(LEASE);
  await bench.untilLeading(first);
  await first.close();
  const revision = await forge();
  const second = await bench.startKernel(LEASE);
  await bench.untilLeading(second);
  expect((await info()).epoch).toBeGreaterThan(revision);
});

it.each([999_999_999_999_999, HUGE])(
  'an intake consumer of epoch %d keeps no leader away',
  async (epoch) => {
    const first = await bench.startKernel();
    await bench.untilLeading(first);
    await first.close();
    for (const name of await consumerNames()) {
      await bench.manager.consumers.delete(STREAMS.tasks, name);
    }
    await addConsumer(`intake-${epoch}-standard`, 'llmos.v1.task.standard.*.*');
    const second = await bench.startKernel();
    await bench.untilLeading(second);
    await bench.startNode();
    expect(await echo(1)).toBe(1);
    const said = await info();
    expect(said.foreignEpochs.intakeConsumers).toBe(1);
    const own = new RegExp(`^intake-${said.epoch}-`);
    for (const name of await consumerNames()) expect(name).toMatch(own);
  },
);

async function consumerNames(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of bench.manager.consumers.list(STREAMS.tasks)) names.push(name);
  return names;
}

it('a bucket that is begun anew has a leader, whatever epochs there were before', async () => {
  let kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  const bucket = await leaders();
  for (let n = 0; n < 50; n += 1) await bucket.put('other', `${n}`);
  await kernel.close();
  kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  await bench.startNode();
  expect(await echo(1)).toBe(1);
  const before = await info();
  await kernel.close();
  await bench.jetstream.publish('llmos.v1.task.standard.default.echo', '2');
  await bench.manager.streams.delete(LEADER_STREAM);
  kernel = await bench.startKernel({ LLMOS_MAKE_ANEW: LEADER_STREAM });
  await bench.untilLeading(kernel);
  expect((await info()).epoch).toBeLessThan(before.epoch);
  expect(await echo(3)).toBe(3);
  await waitFor(
    async () => (await bench.manager.streams.info(STREAMS.tasks)).state.messages === 0,
    { what: 'the task that waited to end' },
  );
});

it('a process that goes on obeying another epoch is replaced, and ps says why', async () => {
  const kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  const deaf = new Set<string>();
  await bench.startNode({ obeys: (_incarnation, pid) => (deaf.has(pid) ? HUGE : undefined) });
  expect(await echo(1)).toBe(1);
  const first = (await rows()).find((row) => row.state === 'ready');
  deaf.add(first?.pid ?? '');
  await waitFor(
    async () =>
      (await rows()).some((row) => row.reason === `obeys epoch ${HUGE} instead of its leader's`),
    { what: 'ps to say that it refuses its leader' },
  );
  await waitFor(
    async () =>
      (await rows()).some((row) => row.pid === first?.pid && row.reason === 'refuses-leader'),
    { what: 'the process to be stopped' },
  );
  expect(await echo(2)).toBe(2);
  const next = (await rows()).find((row) => row.state === 'ready');
  expect(next?.pid).not.toBe(first?.pid);
});
