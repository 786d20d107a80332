/**
 * `node tests/dist/bench/many-models.js [ROWS]`: what a system of very many models costs. Rows are
 * written as a kernel writes them; all name one small package. Prints one JSON line a step: beside
 * its time, how the calls fared that a client made all the while, one after the other.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BUCKETS, PACKAGE_STORE, encodeJson, packageObjectName } from '@llmos/base';
import type { LlmosClient } from '@llmos/sdk';
import { connect as connectSdk } from '@llmos/sdk';
import type { NatsConnection } from 'nats';
import { connect } from 'nats';
import { addModelRows, modelRow } from '../support/model-rows';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestProgram } from '../support/programs';
import { startKernel, startWorker } from '../support/programs';
import { repositoryFolder } from '../support/shared-folder';
import { waitFor } from '../support/wait-for';

const PACKAGE = Buffer.from('one small package');
const SHA256 = createHash('sha256').update(PACKAGE).digest('hex');
const LIMIT = { limitMs: 10 * 60_000 } as const;
const CALL_EVERY_MS = 10;

/** User and system time of a process, in milliseconds (Linux). */
function cpuMs(osPid: number): number {
  const fields = readFileSync(`/proc/${osPid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Calls `echo` again and again until it is stopped. */
class Caller {
  private timesMs: number[] = [];
  private failed = 0;
  private isStopped = false;
  private readonly ended: Promise<void>;

  constructor(client: LlmosClient) {
    this.ended = this.run(client);
  }

  /** Of the calls that ended since it was last asked. */
  take(): object {
    const times = this.timesMs.sort((a, b) => a - b);
    const at = (share: number): number => Math.round(times[Math.floor(share * times.length)] ?? 0);
    const calls = { count: times.length, failed: this.failed, p50Ms: at(0.5), p99Ms: at(0.99) };
    const longestMs = Math.round(times.at(-1) ?? 0);
    this.timesMs = [];
    this.failed = 0;
    return { ...calls, longestMs };
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.ended;
  }

  private async run(client: LlmosClient): Promise<void> {
    while (!this.isStopped) {
      const beginMs = performance.now();
      const isAnswered = await client.call('echo', 'x').then(
        () => true,
        () => false,
      );
      if (!isAnswered) this.failed += 1;
      this.timesMs.push(performance.now() - beginMs);
      await new Promise((resolve) => setTimeout(resolve, CALL_EVERY_MS));
    }
  }
}

interface Timed {
  readonly what: string;
  readonly kernel: TestProgram;
  readonly caller: Caller;
}

async function timed<T>({ what, kernel, caller }: Timed, act: () => Promise<T>): Promise<T> {
  caller.take();
  const [beginMs, beginCpuMs] = [performance.now(), cpuMs(kernel.osPid)];
  const value = await act();
  const elapsedMs = Math.round(performance.now() - beginMs);
  const kernelCpuMs = cpuMs(kernel.osPid) - beginCpuMs;
  const calls = caller.take();
  process.stdout.write(`${JSON.stringify({ what, elapsedMs, kernelCpuMs, calls })}\n`);
  return value;
}

/** The command, as a person runs it; what it prints is thrown away. */
async function command(url: string, ...args: string[]): Promise<void> {
  const file = join(repositoryFolder, 'packages/cli/bin/llmos.js');
  const env = { ...process.env, LLMOS_SERVERS: url };
  await promisify(execFile)(process.execPath, [file, ...args], { env, maxBuffer: 2 ** 26 });
}

function addOne(connection: NatsConnection, name: string): Promise<unknown> {
  const files = [{ path: 'onnx/model.onnx', sha256: SHA256, bytes: PACKAGE.length }];
  const manifest = { task: 'infer', graph: 'onnx/model.onnx' };
  const request = { name, digest: SHA256, files, manifest, footprintBytes: 1 };
  const subject = 'llmos.v1.sys.operator.model-add';
  return connection.request(subject, encodeJson(request), { timeout: 60_000 });
}

interface System {
  readonly rows: number;
  readonly url: string;
  readonly connection: NatsConnection;
  readonly client: LlmosClient;
  readonly caller: Caller;
  readonly leader: TestProgram;
  readonly startStandby: () => Promise<TestProgram>;
}

function untilListed({ client }: System, count: number): Promise<boolean> {
  return waitFor(async () => (await client.models()).length === count, {
    what: `${count} models`,
    everyMs: 250,
    ...LIMIT,
  });
}

async function measureChanges(system: System): Promise<void> {
  const { rows, url, connection, client, caller, leader } = system;
  const step = <T>(what: string, act: () => Promise<T>): Promise<T> =>
    timed({ what, kernel: leader, caller }, act);
  const jetstream = connection.jetstream(PATIENT);
  await step('rows stored and shown', async () => {
    await addModelRows(jetstream, { from: 0, to: rows - 100 });
    await untilListed(system, rows - 100);
  });
  await step('list', () => client.models());
  await step('llmos model list', () => command(url, 'model', 'list'));
  await step('llmos status', () => command(url, 'status'));
  await step('metrics', async () => (await fetch(`${leader.ready.httpUrl}/metrics`)).text());
  const store = await jetstream.views.os(PACKAGE_STORE);
  await store.putBlob({ name: packageObjectName(SHA256) }, PACKAGE);
  await step('add one', () => addOne(connection, 'extra-0'));
  await step('add 50, one after the other', async () => {
    for (let n = 1; n <= 50; n += 1) await addOne(connection, `extra-${n}`);
  });
  await step('remove one', () => client.removeModel(modelRow(7).name));
  await step('50 rows of others appear', async () => {
    await addModelRows(jetstream, { from: rows, to: rows + 49 });
    await untilListed(system, rows - 100 + 51 - 1 + 49);
  });
}

async function measureTakeover({ client, caller, leader, startStandby }: System): Promise<void> {
  const kernel = await startStandby();
  await client.info();
  await leader.kill();
  const step = (what: string): Promise<unknown> =>
    timed({ what, kernel, caller }, () => client.models());
  await step('takeover, until a list is answered');
  await step('list under the next leader');
}

async function main(): Promise<void> {
  const rows = Number(process.argv[2] ?? 10_000);
  const nats = await startNatsServer();
  const connection = await connect({ servers: nats.url });
  const programs: TestProgram[] = [];
  const start = async (): Promise<TestProgram> => {
    const storage = String(256 * 1024 * 1024);
    const env = { LLMOS_SERVERS: nats.url, LLMOS_STORAGE_BYTES: storage };
    const kernel = await startKernel({ env });
    programs.push(kernel);
    return kernel;
  };
  try {
    const leader = await start();
    const options = { servers: nats.url, principal: 'operator', timeoutMs: LIMIT.limitMs };
    const client = await connectSdk(options);
    programs.push(await startWorker({ env: { LLMOS_SERVERS: nats.url } }));
    const callers = await connectSdk({ servers: nats.url });
    await callers.call('echo', '', { timeoutMs: LIMIT.limitMs });
    const caller = new Caller(callers);
    const measured = { rows, url: nats.url, connection, client, caller, leader };
    await measureChanges({ ...measured, startStandby: start });
    await measureTakeover({ ...measured, startStandby: start });
    process.stdout.write(`${JSON.stringify({ bucket: BUCKETS.models, rows })}\n`);
    await caller.stop();
    await callers.close();
    await client.close();
  } finally {
    for (const program of programs) await program.kill();
    await connection.close();
    await nats.stop();
  }
}

void main();
