/**
 * Streams, buckets and object stores over restarts of the server with other room: nothing that was
 * acknowledged is lost, or the kernel does not start and says why.
 * `LLMOS_TEST_NATS_SERVERS` names more server programs to try: what they restore differs.
 */
import type { StoreSequences } from '@llmos/base';
import { BUCKETS, PACKAGE_STORE, STREAMS, decodeJson, parseStoreSequences } from '@llmos/base';
import type { RunningKernel } from '@llmos/kernel';
import { cpSync, rmSync } from 'node:fs';
import { headers as newHeaders } from 'nats';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { natsServerPrograms } from '../support/nats-server';
import { waitFor } from '../support/wait-for';

const MIB = 1024 * 1024;
const AMPLE = 512 * MIB;
const STORES = [
  ...Object.values(STREAMS),
  ...Object.values(BUCKETS).map((bucket) => `KV_${bucket}`),
  `OBJ_${PACKAGE_STORE}`,
];

describe.each(natsServerPrograms())('on %s', (_name, program) => {
  let bench: KernelBench;
  beforeEach(async () => {
    const options = { maxStoreBytes: AMPLE, ...(program === undefined ? {} : { program }) };
    bench = await startKernelBench(options);
  });
  afterEach(() => bench.stop());

  async function startOnce(env: Readonly<Record<string, string>> = {}): Promise<RunningKernel> {
    const kernel = await bench.startKernel(env);
    await bench.untilLeading(kernel);
    return kernel;
  }

  async function publishTasks(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      const headers = newHeaders();
      headers.set('Llmos-Id', `task-${n}`);
      await bench.jetstream.publish('llmos.v1.task.batch.default.echo', `${n}`, { headers });
    }
  }

  /** Until the server answers again, on the connection that it closed. */
  async function restartNats(maxStoreBytes: number): Promise<void> {
    await bench.nats.restart({ maxStoreBytes });
    // A request that was sent to the server that is gone has no answer: soon another one.
    const manager = await bench.connection.jetstreamManager({ timeout: 1_000, checkAPI: false });
    await waitFor(() => manager.getAccountInfo(), { what: 'JetStream to answer' });
  }

  async function messagesIn(name: string): Promise<number | undefined> {
    const found = await bench.manager.streams.info(name).catch(() => undefined);
    return found?.state.messages;
  }

  async function budgets(): Promise<Record<string, number>> {
    const infos = await Promise.all(
      Object.values(STREAMS).map((name) => bench.manager.streams.info(name)),
    );
    return Object.fromEntries(infos.map(({ config }) => [config.name, config.max_bytes]));
  }

  it.each([200, 100, 20, 1])(
    'a restart with room for %d MiB loses no acknowledged task',
    async (mebibytes) => {
      const first = await startOnce();
      await publishTasks(250);
      const before = await budgets();
      await first.close();

      await restartNats(mebibytes * MIB);
      const second = await bench.startKernel().catch((error: Error) => error);
      // Servers differ: some restore whatever there is, others leave out what they have no room for.
      if (second instanceof Error) {
        expect(second).toMatchObject({
          code: 'FAILED_PRECONDITION',
          message: expect.stringMatching(/missing.*LLMOS_\w+ \(\d+ MiB\)/) as string,
        });
      } else {
        await second.close();
        expect(await messagesIn(STREAMS.tasks)).toBe(250);
      }

      await restartNats(AMPLE);
      await startOnce();
      expect(await messagesIn(STREAMS.tasks)).toBe(250);
      expect(await budgets()).toEqual(before);
    },
  );

  it('a store that is missing is not made anew, but where that was asked for', async () => {
    const first = await startOnce();
    await publishTasks(1);
    await first.close();
    for (const name of STORES) {
      await bench.manager.streams.delete(name);
      await expect(bench.startKernel()).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        message: expect.stringContaining(`LLMOS_MAKE_ANEW=${name}`) as string,
      });
      expect(await messagesIn(name)).toBeUndefined();
      await (await bench.startKernel({ LLMOS_MAKE_ANEW: name })).close();
      expect(await messagesIn(name)).toBeDefined();
      // Something that shows that the system has existed, whatever else is missing.
      await publishTasks(1);
    }
  });

  it('a system from before there were records is not begun anew either', async () => {
    await (await startOnce()).close();
    const leader = `KV_${BUCKETS.leader}`;
    await bench.manager.streams.purge(leader, { filter: `$KV.${BUCKETS.leader}.stores` });
    await bench.manager.streams.delete(`KV_${BUCKETS.models}`);
    await bench.manager.streams.delete(STREAMS.results);
    await expect(bench.startKernel()).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(/KV_llmos_models, LLMOS_RESULTS/) as string,
    });
  });

  it('a store that is new in this version is made where a system has existed', async () => {
    await (await startOnce()).close();
    const subject = `$KV.${BUCKETS.leader}.stores`;
    const { data } = await bench.manager.streams.getMessage(`KV_${BUCKETS.leader}`, {
      last_by_subj: subject,
    });
    const record = decodeJson(data) as { stores: Record<string, number> };
    delete record.stores[STREAMS.events];
    record.stores['LLMOS_LATER'] = 1;
    await bench.jetstream.publish(subject, JSON.stringify(record));
    await bench.manager.streams.delete(STREAMS.events);
    await startOnce();
    expect(await messagesIn(STREAMS.events)).toBeDefined();
    const after = await bench.manager.streams.getMessage(`KV_${BUCKETS.leader}`, {
      last_by_subj: subject,
    });
    const names = Object.keys((decodeJson(after.data) as typeof record).stores);
    expect(names.sort()).toEqual([...STORES, 'LLMOS_LATER'].sort());
  });

  /** What is noted of a store, once it is as much as this. */
  async function untilNoted(name: string, least: number): Promise<void> {
    await waitFor(async () => ((await notedSequences()).get(name) ?? 0) >= least, {
      what: `message ${least} of ${name} to be noted`,
    });
  }

  async function notedSequences(): Promise<StoreSequences> {
    const query = { last_by_subj: `$KV.${BUCKETS.leader}.sequences` };
    const row = await bench.manager.streams
      .getMessage(`KV_${BUCKETS.leader}`, query)
      .catch(() => undefined);
    return row === undefined ? new Map() : parseStoreSequences(row.data);
  }

  const NOTING = { LLMOS_SEQUENCE_NOTE_MS: '1000' };

  it('a stream without the messages that it once held is not gone on with, but where that was asked for', async () => {
    const first = await startOnce(NOTING);
    await publishTasks(20);
    await untilNoted(STREAMS.tasks, 20);
    await first.close();
    await bench.nats.kill();
    rmSync(bench.nats.messagesFolder(STREAMS.tasks), { recursive: true });
    await restartNats(AMPLE);
    await expect(bench.startKernel()).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(
        /LLMOS_TASKS held messages up to 20 and begins anew.*LLMOS_MAKE_ANEW=LLMOS_TASKS$/,
      ) as string,
    });
    await (await startOnce({ LLMOS_MAKE_ANEW: STREAMS.tasks })).close();
    expect((await notedSequences()).get(STREAMS.tasks)).toBe(0);
    await startOnce();
  });

  it('an older copy of a stream is not gone on with', async () => {
    const messages = bench.nats.messagesFolder(STREAMS.tasks);
    const first = await startOnce(NOTING);
    await publishTasks(5);
    await first.close();
    await bench.nats.kill();
    cpSync(messages, `${messages}-copy`, { recursive: true });
    await restartNats(AMPLE);
    const second = await startOnce(NOTING);
    await publishTasks(9);
    await untilNoted(STREAMS.tasks, 10);
    await second.close();
    await bench.nats.kill();
    rmSync(messages, { recursive: true });
    cpSync(`${messages}-copy`, messages, { recursive: true });
    await restartNats(AMPLE);
    await expect(bench.startKernel()).rejects.toThrow(
      /LLMOS_TASKS held messages up to 1\d and ends at 5/,
    );
  });

  it('what a killed server may lose at any time does not keep a kernel from its start', async () => {
    const first = await startOnce(NOTING);
    await publishTasks(5);
    await untilNoted(STREAMS.tasks, 5);
    const messages = bench.nats.messagesFolder(STREAMS.tasks);
    await first.close();
    await bench.nats.kill();
    cpSync(messages, `${messages}-copy`, { recursive: true });
    await restartNats(AMPLE);
    const second = await startOnce();
    await publishTasks(9);
    await second.close();
    await bench.nats.kill();
    rmSync(messages, { recursive: true });
    cpSync(`${messages}-copy`, messages, { recursive: true });
    await restartNats(AMPLE);
    await startOnce();
  });

  it('a leader whose server is started on other files says so, and is not ready', async () => {
    const kernel = await startOnce(NOTING);
    await publishTasks(20);
    await untilNoted(STREAMS.tasks, 20);
    await bench.nats.kill();
    rmSync(bench.nats.messagesFolder(STREAMS.tasks), { recursive: true });
    await restartNats(AMPLE);
    const readiness = await waitFor(
      async () => {
        const answer = await fetch(`${kernel.httpUrl}/readyz`);
        const body = (await answer.json()) as { readonly state: string };
        return body.state === 'messages-lost' ? { status: answer.status, ...body } : undefined;
      },
      { what: 'the kernel to tell' },
    );
    expect(readiness).toMatchObject({
      status: 503,
      reason: 'LLMOS_TASKS held messages up to 20 and begins anew',
    });
  });

  it('an emptied bucket of the leader is not taken for the beginning of a system', async () => {
    await (await startOnce()).close();
    await bench.nats.kill();
    const leader = `KV_${BUCKETS.leader}`;
    rmSync(bench.nats.messagesFolder(leader), { recursive: true });
    await restartNats(AMPLE);
    await expect(bench.startKernel()).rejects.toThrow(/LLMOS_MAKE_ANEW=KV_llmos_leader$/);
    await startOnce({ LLMOS_MAKE_ANEW: leader });
  });

  it('kernels that start together on an empty server make everything once', async () => {
    const kernels = await Promise.all(
      [...'abcdefgh'].map((id) => bench.startKernel({ LLMOS_KERNEL_ID: id })),
    );
    await waitFor(() => kernels.some((kernel) => kernel.isLeading()), { what: 'a leader' });
    // Rounded down, each.
    expect(sumOf(await budgets()) / MIB).toBeCloseTo(256);
    expect(await messagesIn('LLMOS_PROBE')).toBeUndefined();
  });

  it('all budgets shrink alike where the server has less room, and grow together', async () => {
    await restartNats(192 * MIB);
    const asked = { LLMOS_STORAGE_BYTES: String(1024 * MIB) };
    await (await startOnce(asked)).close();
    const small = await budgets();
    expect(sumOf(small)).toBeLessThanOrEqual(0.7 * 192 * MIB);
    expect(sumOf(small)).toBeGreaterThan(0.5 * 192 * MIB);
    expect(Math.min(...Object.values(small))).toBeGreaterThanOrEqual(16 * MIB);

    // Less is asked for: a stream is never made smaller.
    await (await startOnce({ LLMOS_STORAGE_BYTES: String(64 * MIB) })).close();
    const later = await budgets();
    for (const [name, bytes] of Object.entries(small))
      expect(later[name]).toBeGreaterThanOrEqual(bytes);
    await (await startOnce(asked)).close();
    expect(await budgets()).toEqual(later);
    await restartNats(2048 * MIB);
    await startOnce(asked);
    expect(sumOf(await budgets()) / MIB).toBeCloseTo(1024);
  });

  it('says what is missing where there is too little room for the least', async () => {
    await restartNats(32 * MIB);
    await expect(bench.startKernel()).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(
        /\d+ MiB at least.*LLMOS_STORAGE_BYTES.*max_file_store/,
      ) as string,
    });
    await restartNats(AMPLE);
    await startOnce();
  });
});

function sumOf(budgets: Readonly<Record<string, number>>): number {
  return Object.values(budgets).reduce((total, bytes) => total + bytes, 0);
}
