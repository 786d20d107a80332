/**
 * Streams, buckets and servers that someone else has set up: what would lose or refuse work is put
 * right, or the kernel does not start and says in one message what is in its way.
 */
import { BUCKETS, STREAMS } from '@llmos/base';
import { RetentionPolicy } from 'nats';
import type { StreamConfig } from 'nats';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import type { NatsServerOptions } from '../support/nats-server';

const MINUTE_NANOS = 60e9;
const TASKS = {
  name: STREAMS.tasks,
  subjects: ['llmos.v1.task.batch.*.*'],
  retention: RetentionPolicy.Workqueue,
};
const bucket = (name: string) => ({ name: `KV_${name}`, subjects: [`$KV.${name}.>`] });

let bench: KernelBench;
async function open(options: NatsServerOptions = {}): Promise<void> {
  bench = await startKernelBench(options);
}
afterEach(() => bench.stop());

async function configOf(name: string): Promise<StreamConfig> {
  return (await bench.manager.streams.info(name)).config;
}

describe('a stream that is there with other bounds', () => {
  const bounds: [string, Partial<StreamConfig>][] = [
    ['an age', { max_age: MINUTE_NANOS }],
    ['a number of messages', { max_msgs: 1 }],
    ['one message for each subject', { max_msgs_per_subject: 1 }],
    ['a size of messages', { max_msg_size: 10 }],
    ['no acknowledgements', { no_ack: true }],
  ];
  it.each(bounds)('%s: tasks are kept, and acknowledged', async (_name, bound) => {
    await open();
    await bench.manager.streams.add({ ...TASKS, ...bound });
    await bench.untilLeading(await bench.startKernel());
    for (let n = 0; n < 3; n += 1) {
      await bench.jetstream.publish('llmos.v1.task.batch.default.echo', '"longer than that"');
    }
    expect((await bench.manager.streams.info(STREAMS.tasks)).state.messages).toBe(3);
    expect(await configOf(STREAMS.tasks)).toMatchObject({
      ...{ max_age: 0, max_msgs: -1, max_msgs_per_subject: -1, max_msg_size: -1 },
    });
  });

  it('results, dead letters and buckets are put right as well', async () => {
    await open();
    const { streams } = bench.manager;
    await streams.add({
      name: STREAMS.results,
      subjects: ['other'],
      max_msg_size: 100,
      max_msgs: 1,
    });
    await streams.add({ name: STREAMS.dead, subjects: ['dead'], max_age: MINUTE_NANOS });
    await streams.add({ ...bucket(BUCKETS.leader), subjects: ['leader'], max_msgs: 1 });
    await streams.add({ ...bucket(BUCKETS.models), max_msgs: 1, max_msg_size: 10 });
    await bench.untilLeading(await bench.startKernel());
    const names = [STREAMS.results, STREAMS.dead, `KV_${BUCKETS.leader}`, `KV_${BUCKETS.models}`];
    for (const name of names) {
      expect(await configOf(name)).toMatchObject({ max_msgs: -1, max_msg_size: -1 });
    }
    expect((await configOf(STREAMS.dead)).max_age).toBe(0);
    expect((await configOf(`KV_${BUCKETS.models}`)).discard).toBe('new');
  });
});

describe('refuses to start, in one message,', () => {
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    [
      'on a sealed stream',
      async () => {
        const results = { name: STREAMS.results, subjects: ['llmos.v1.result.*.*'] };
        await bench.manager.streams.add(results);
        const sealed: Partial<StreamConfig> = { sealed: true };
        await bench.manager.streams.update(STREAMS.results, sealed);
      },
      /stream LLMOS_RESULTS exists and is sealed/,
    ],
    [
      'on a mirror',
      async () => {
        await bench.manager.streams.add({ name: 'MINE', subjects: ['mine'] });
        await bench.manager.streams.add({ name: STREAMS.results, mirror: { name: 'MINE' } });
      },
      /stream LLMOS_RESULTS exists and is a mirror of MINE/,
    ],
    [
      'on a stream with sources',
      async () => {
        await bench.manager.streams.add({ name: 'MINE', subjects: ['mine'] });
        await bench.manager.streams.add({ ...TASKS, sources: [{ name: 'MINE' }] });
      },
      /stream LLMOS_TASKS exists and takes in what MINE holds/,
    ],
    [
      'on a stream that allows too few consumers',
      () => bench.manager.streams.add({ ...TASKS, max_consumers: 1 }),
      /stream LLMOS_TASKS exists and allows 1 consumers only/,
    ],
    [
      'beside a stream that takes everything of llmos',
      () => bench.manager.streams.add({ name: 'MINE', subjects: ['llmos.>'] }),
      /subjects overlap with an existing stream/,
    ],
    [
      'on a bucket that takes no record',
      () => bench.manager.streams.add({ ...bucket(BUCKETS.leader), max_bytes: 100 }),
      /can't be prepared: maximum bytes exceeded/,
    ],
    [
      'on a bucket that can not be put right',
      () => bench.manager.streams.add({ ...bucket(BUCKETS.models), deny_purge: true }),
      /stream KV_llmos_models can't be given the right .*allow_rollup_hdrs/,
    ],
  ];
  it.each(cases)('%s', async (_name, prepare, message) => {
    await open();
    await prepare();
    await expect(bench.startKernel()).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(message) as string,
    });
  });

  it('on a server that takes small messages only, and names its setting', async () => {
    await open({ config: 'max_payload: 8192' });
    await expect(bench.startKernel()).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(/at most 8192 bytes.*max_payload/) as string,
    });
  });

  it('in an account without JetStream, after a while', async () => {
    await open({
      config: `accounts {
        A { users: [{ user: a, password: p }] }
        B { jetstream: enabled, users: [{ user: b, password: p }] }
      }\nno_auth_user: b`,
    });
    const url = bench.nats.url.replace('nats://', 'nats://a:p@');
    const settings = { LLMOS_SERVERS: url, LLMOS_CONNECT_WAIT_MS: '1000' };
    await expect(bench.startKernel(settings)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/within 1000 ms.*JetStream not enabled for account/) as string,
    });
  });

  it.each([
    ['the API of JetStream', '$JS.API.INFO'],
    ['the subjects of a bucket', '$KV.llmos_leader.stores'],
  ])('for a user who may not publish to %s', async (_name, subject) => {
    await open({
      config: `authorization { users: [
        { user: a, password: p, permissions: { publish: { deny: "${subject}" }, subscribe: ">" } }
        { user: b, password: p }
      ] }\nno_auth_user: b`,
    });
    const url = bench.nats.url.replace('nats://', 'nats://a:p@');
    await expect(bench.startKernel({ LLMOS_SERVERS: url })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining(
        `Permissions Violation for Publish to "${subject}"`,
      ) as string,
    });
  });
});
