/** More models than one message holds, on real kernels: listed, added, removed, taken over. */
import type { LlmosClient } from '@llmos/sdk';
import { connect as connectSdk } from '@llmos/sdk';
import type { NatsConnection } from 'nats';
import { connect } from 'nats';
import { addModelRows, modelRow } from '../support/model-rows';
import type { TestNatsServer } from '../support/nats-server';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestProgram } from '../support/programs';
import { startKernel } from '../support/programs';
import { waitFor } from '../support/wait-for';

const MODELS = 1_030;

let nats: TestNatsServer;
let connection: NatsConnection;
let client: LlmosClient;
const kernels: TestProgram[] = [];

async function startOne(): Promise<TestProgram> {
  const env = {
    LLMOS_SERVERS: nats.url,
    LLMOS_LEASE_MS: '4000',
    LLMOS_STORAGE_BYTES: String(256 * 1024 * 1024),
  };
  const kernel = await startKernel({ env });
  kernels.push(kernel);
  return kernel;
}

beforeAll(async () => {
  nats = await startNatsServer();
  connection = await connect({ servers: nats.url });
  await startOne();
  await addModelRows(connection.jetstream(PATIENT), { from: 0, to: MODELS });
  client = await connectSdk({ servers: nats.url, principal: 'operator' });
});
afterAll(async () => {
  await client.close();
  for (const kernel of kernels) await kernel.stop();
  await connection.close();
  await nats.stop();
});

async function namesOf(): Promise<string[]> {
  return (await client.models()).map((model) => model.name);
}

function rows(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, at) => modelRow(from + at).name);
}

it('lists all of them, each once, and the leader goes on leading', async () => {
  const { epoch } = await client.info();
  await waitFor(async () => (await namesOf()).length === MODELS, { what: 'all rows' });
  expect(await namesOf()).toEqual(rows(0, MODELS));
  expect((await client.info()).epoch).toBe(epoch);
});

it('removes one and lists the others, also under the next leader', async () => {
  await startOne();
  expect(await client.removeModel(modelRow(500).name)).toEqual([`${modelRow(500).name}@1`]);
  const left = [...rows(0, 500), ...rows(501, MODELS)];
  await waitFor(async () => (await namesOf()).length === left.length, { what: 'one row less' });
  const { epoch } = await client.info();
  await kernels[0]?.kill();
  expect(await namesOf()).toEqual(left);
  expect((await client.info()).epoch).toBeGreaterThan(epoch);
});
