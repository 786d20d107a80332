/**
 * Masses of header names: a block of them costs a kernel what its bytes cost, in stored tasks, in
 * requests and in what nobody may answer. Everybody else is served meanwhile, by the same leader.
 */
import { STREAMS } from '@llmos/base';
import { MsgHdrsImpl, connect } from 'nats';
import type { MsgHdrs } from 'nats';
import { FakeNode } from '../support/fake-node';
import { request } from '../support/kernel-under-test';
import { PATIENT, startNatsServer } from '../support/nats-server';
import { LONG_LEASES, startKernel } from '../support/programs';
import { waitFor } from '../support/wait-for';

const TASKS = 128;
/** As many as one stored task may have. */
const NAMES_OF_TASK = 9_000;
/** As many as one message may have that no stream takes. */
const NAMES_OF_CALL = 120_000;
const CALLS = 4;
const LEAST_OTHER_CALLS = 5;
const CALL_OF_FLOOD = 'llmos.v1.call.flood.echo';
const CALL_OF_OTHER = 'llmos.v1.call.other.echo';
const INFO = 'llmos.v1.sys.default.info';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Put in place: the client compares each name that it adds with all before it. */
function namesOf(count: number): MsgHdrs {
  const headers = new MsgHdrsImpl();
  for (let n = 0; n < count; n += 1) headers.headers.set(n.toString(36), ['']);
  return headers;
}

async function setUp() {
  const nats = await startNatsServer();
  closers.push(() => nats.stop());
  const kernel = await startKernel({ env: { LLMOS_SERVERS: nats.url, ...LONG_LEASES } });
  closers.push(() => kernel.stop());
  const [flooding, other] = [
    await connect({ servers: nats.url }),
    await connect({ servers: nats.url }),
  ];
  closers.push(
    () => flooding.close(),
    () => other.close(),
  );
  const info = async () => (await request(other, { subject: INFO, body: {} })).output;
  const node = await FakeNode.start({ natsUrl: nats.url, permits: 8 });
  closers.push(() => node.close());
  await waitFor(async () => (await request(other, { subject: CALL_OF_OTHER, body: 1 })).ok, {
    what: 'a first call to be answered',
  });
  return { flooding, other, info };
}

it('serves everybody while tasks, calls and stray messages come with masses of names', async () => {
  const { flooding, other, info } = await setUp();
  const { kernel, epoch } = (await info()) ?? {};
  const ofTask = namesOf(NAMES_OF_TASK);
  const ofCall = namesOf(NAMES_OF_CALL);
  const jetstream = flooding.jetstream(PATIENT);
  let isOver = false;
  const flood = async (): Promise<unknown[]> => {
    const stored = Array.from({ length: TASKS }, () =>
      jetstream.publish('llmos.v1.task.interactive.flood.echo', '1', { headers: ofTask }),
    );
    flooding.publish(CALL_OF_FLOOD, '1', { headers: ofCall });
    const calls = Array.from({ length: CALLS }, async () => {
      const options = { headers: ofCall, timeout: PATIENT.timeout };
      return (await flooding.request(CALL_OF_FLOOD, '1', options)).json<object>();
    });
    await Promise.all(stored);
    const answers = await Promise.all(calls);
    const manager = await other.jetstreamManager(PATIENT);
    const left = async (): Promise<number> =>
      (await manager.streams.info(STREAMS.tasks)).state.messages;
    await waitFor(async () => (await left()) === 0, { what: 'all tasks to end' });
    return answers;
  };
  const flooded = flood().finally(() => (isOver = true));
  let answered = 0;
  const keepCalling = async (): Promise<void> => {
    while (!isOver || answered < LEAST_OTHER_CALLS) {
      const timeoutMs = PATIENT.timeout;
      const answer = await request(other, { subject: CALL_OF_OTHER, body: answered, timeoutMs });
      expect(answer).toMatchObject({ ok: true, output: answered });
      answered += 1;
    }
  };
  const [answers] = await Promise.all([flooded, keepCalling()]);
  const error = { code: 'INVALID_ARGUMENT', details: { limitBytes: 65_536 } };
  expect(answers).toMatchObject(Array.from({ length: CALLS }, () => ({ ok: false, error })));
  expect(answered).toBeGreaterThanOrEqual(LEAST_OTHER_CALLS);
  expect(await info()).toMatchObject({ kernel, epoch });
}, 240_000);
