/**
 * `node tests/dist/bench/many-models.js [ROWS]`: what a system of very many models costs. Rows are
 * written as a kernel writes them; all name one small package. Prints one JSON line a step.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BUCKETS, PACKAGE_STORE, encodeJson, packageObjectName } from '@llmos/base';
import type { LlmosClient } from '@llmos/sdk';
import { connect as connectSdk } from '@llmos/sdk';
import type { NatsConnection } from 'nats';
import { connect } from 'nats';
import { addModelRows, modelRow } from '../support/model-rows';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestProgram } from '../support/programs';
import { startKernel } from '../support/programs';
import { waitFor } from '../support/wait-for';

const PACKAGE = Buffer.from('one small package');
const SHA256 = createHash('sha256').update(PACKAGE).digest('hex');
const LIMIT = { limitMs: 10 * 60_000 } as const;

/** User and system time of a process, in milliseconds (Linux). */
function cpuMs(osPid: number): number {
  const fields = readFileSync(`/proc/${osPid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function timed<T>(what: string, kernel: TestProgram, act: () => Promise<T>): Promise<T> {
  const [beginMs, beginCpuMs] = [performance.now(), cpuMs(kernel.osPid)];
  const value = await act();
  const elapsedMs = Math.round(performance.now() - beginMs);
  const kernelCpuMs = cpuMs(kernel.osPid) - beginCpuMs;
  process.stdout.write(`${JSON.stringify({ what, elapsedMs, kernelCpuMs })}\n`);
  return value;
}

function addOne(connection: NatsConnection, name: string): Promise<unknown> {
  const files = [{ path: 'onnx/model.onnx', sha256: SHA256, bytes: PACKAGE.length }];
  const manifest = { task: 'infer', graph: 'onnx/model.onnx' };
  const request = { name, digest: SHA256, files, manifest, footprintBytes: 1 };
  const subject = 'llmos.v1.sys.operator.model-add';
  return connection.request(subject, encodeJson(request), { timeout: 60_000 });
}

async function measure(of: {
  readonly rows: number;
  readonly connection: NatsConnection;
  readonly client: LlmosClient;
  readonly leader: TestProgram;
  readonly startStandby: () => Promise<TestProgram>;
}): Promise<void> {
  const { rows, connection, client, leader } = of;
  const jetstream = connection.jetstream(PATIENT);
  const untilListed = (count: number): Promise<boolean> =>
    waitFor(async () => (await client.models()).length === count, {
      what: `${count} models`,
      everyMs: 250,
      ...LIMIT,
    });
  await timed('rows stored and shown', leader, async () => {
    await addModelRows(jetstream, { from: 0, to: rows - 100 });
    await untilListed(rows - 100);
  });
  await timed('list', leader, () => client.models());
  const store = await jetstream.views.os(PACKAGE_STORE);
  await store.putBlob({ name: packageObjectName(SHA256) }, PACKAGE);
  await timed('add one', leader, () => addOne(connection, 'extra-0'));
  await timed('add 50, one after the other', leader, async () => {
    for (let n = 1; n <= 50; n += 1) await addOne(connection, `extra-${n}`);
  });
  await timed('remove one', leader, () => client.removeModel(modelRow(7).name));
  await timed('50 rows of others appear', leader, async () => {
    await addModelRows(jetstream, { from: rows, to: rows + 49 });
    await untilListed(rows - 100 + 51 - 1 + 49);
  });
  const standby = await of.startStandby();
  await client.info();
  await leader.kill();
  await timed('takeover, until a list is answered', standby, () => client.models());
  await timed('list under the next leader', standby, () => client.models());
}

async function main(): Promise<void> {
  const rows = Number(process.argv[2] ?? 10_000);
  const nats = await startNatsServer();
  const connection = await connect({ servers: nats.url });
  const kernels: TestProgram[] = [];
  const start = async (): Promise<TestProgram> => {
    const storage = String(256 * 1024 * 1024);
    const env = { LLMOS_SERVERS: nats.url, LLMOS_STORAGE_BYTES: storage };
    const kernel = await startKernel({ env });
    kernels.push(kernel);
    return kernel;
  };
  try {
    const leader = await start();
    const options = { servers: nats.url, principal: 'operator', timeoutMs: LIMIT.limitMs };
    const client = await connectSdk(options);
    await measure({ rows, connection, client, leader, startStandby: start });
    process.stdout.write(`${JSON.stringify({ bucket: BUCKETS.models, rows })}\n`);
    await client.close();
  } finally {
    for (const kernel of kernels) await kernel.kill();
    await connection.close();
    await nats.stop();
  }
}

void main();
