/**
 * The wire contract, held against a whole system of real programs by the kit that anyone can run
 * (`npm run conformance`). `LLMOS_TEST_NATS_SERVER` chooses the version of the NATS server.
 */
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { readCaseFiles } from '../conformance/case';
import { runConformance } from '../conformance/conformance';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';

const models = [
  'storyteller',
  'mini-encoder',
  'support-intents',
  'finance-sentiment',
  'contract-entities',
];
let system: TestSystem;
let connection: NatsConnection;

beforeAll(async () => {
  system = await startTestSystem({ models, workerEnv: { LLMOS_DEVICE: 'cpu' } });
  connection = await connect({ servers: system.nats.url });
});
afterAll(async () => {
  await connection?.close();
  await system?.stop();
});

it('a test system passes every case of the conformance kit', async () => {
  const files = readCaseFiles();
  const { outcomes, missingModels } = await runConformance({
    connection,
    files,
    tenant: 'conformance',
  });
  expect(missingModels).toEqual([]);
  expect(outcomes.filter((outcome) => outcome.kind !== 'passed')).toEqual([]);
  expect(outcomes).toHaveLength(files.flatMap(({ cases }) => cases).length);
}, 900_000);

it('a deployment that breaks the contract fails its case, and the kit says how', async () => {
  const subject = 'llmos.v1.call.conformance.echo';
  const wrong = [{ request: { subject, json: 1 }, answer: { ok: true, output: 2 } }];
  const absent = [{ request: { subject, json: 1 }, answer: { ok: false } }];
  const { outcomes, missingModels } = await runConformance({
    connection,
    tenant: 'conformance',
    files: [
      {
        file: 'broken.json',
        cases: [
          { name: 'wrong', steps: wrong },
          { name: 'absent', steps: absent, needs: ['no-such-model'] },
        ],
      },
    ],
  });
  expect(outcomes).toMatchObject([
    { kind: 'failed', why: 'step 1: answer: /output is 1, wanted 2' },
    { kind: 'skipped', why: 'not registered: no-such-model' },
  ]);
  expect(missingModels).toEqual(['no-such-model']);
});
