/**
 * Epochs that no leader had, sent to a system of real programs: it goes on at once, says in `info`
 * that it saw them, and never replaces what works.
 */
import { BUCKETS, LEADER_STREAM, asToken, encodeJson, subjects } from '@llmos/base';
import type { NodeId, ProcessId } from '@llmos/base';
import type { ProcessRow } from '@llmos/sdk';
import { encodeMailboxMessage } from '@llmos/wire';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

const HUGE = Number.MAX_SAFE_INTEGER;
const LEASE = { LLMOS_LEASE_MS: '2000' } as const;

let system: TestSystem;
let foe: NatsConnection;
beforeEach(async () => {
  system = await startTestSystem({ kernelEnv: LEASE });
  foe = await connect({ servers: system.nats.url });
});
afterEach(async () => {
  await foe?.close();
  await system?.stop();
});

const echo = (value: string): Promise<unknown> =>
  system.os.call('echo', value, { timeoutMs: 30_000 });

async function readyProcess(): Promise<ProcessRow> {
  const row = (await system.os.ps()).find(({ state }) => state === 'ready');
  if (row === undefined) throw new Error('no process is ready');
  return row;
}

it('a process that is sent a huge epoch goes on with its leader', async () => {
  expect(await echo('before')).toBe('before');
  const { node, pid, incarnation } = await readyProcess();
  const address = { node: asToken<NodeId>(node), process: asToken<ProcessId>(pid) };
  const message = { epoch: HUGE, incarnation, command: { kind: 'hello' as const } };
  foe.publish(subjects.mailbox(address), encodeMailboxMessage(message, { nowMs: 0, wallMs: 0 }));
  await foe.flush();
  await waitFor(async () => (await system.os.info()).foreignEpochs?.messages === 1, {
    what: 'the leader to be told of it',
  });
  expect(await echo('after')).toBe('after');
  expect((await readyProcess()).pid).toBe(pid);
  expect(system.kernel.log()).toContain('process-foreign-epoch');
  expect(system.worker.log()).toContain('epoch-refused');
});

it('kernel and worker go on under their leader where a record names a huge epoch', async () => {
  expect(await echo('before')).toBe('before');
  const { pid } = await readyProcess();
  const { epoch } = await system.os.info();
  const record = { kernelId: 'nobody', epoch: HUGE, httpUrl: '', grpcUrl: '127.0.0.1:1' };
  const bucket = await foe.jetstream().views.kv(BUCKETS.leader, { bindOnly: true });
  await bucket.put('leader', encodeJson({ ...record, isReleased: false }));
  await waitFor(() => system.worker.log().includes('leader-record-foreign'), {
    what: 'the worker to see it',
  });
  const isRenewed = async (): Promise<boolean> =>
    (await bucket.get('leader'))?.json<{ epoch: number }>().epoch === epoch;
  await waitFor(isRenewed, { what: 'the leader to write over it' });
  expect(await echo('after')).toBe('after');
  expect((await readyProcess()).pid).toBe(pid);
  expect((await system.os.info()).epoch).toBe(epoch);
  expect(system.worker.log()).not.toContain('"detached"');
});

it('worker and processes obey the leader of a bucket that was begun anew', async () => {
  const bucket = await foe.jetstream().views.kv(BUCKETS.leader, { bindOnly: true });
  for (let n = 0; n < 50; n += 1) await bucket.put('other', `${n}`);
  await system.kernel.stop();
  await system.startKernel(LEASE);
  expect(await echo('before')).toBe('before');
  const { pid } = await readyProcess();
  const before = await system.os.info();
  await system.kernel.stop();
  await (await foe.jetstreamManager()).streams.delete(LEADER_STREAM);
  await system.startKernel({ ...LEASE, LLMOS_MAKE_ANEW: LEADER_STREAM });
  expect(await echo('after')).toBe('after');
  expect((await system.os.info()).epoch).toBeLessThan(before.epoch);
  expect((await readyProcess()).pid).toBe(pid);
});
