/** `Llmos-Id` names one task per tenant, for as long as its result is kept. */
import { headers as natsHeaders } from 'nats';
import type { Ledger } from '../support/ledger';
import { openLedger } from '../support/ledger';
import { PATIENT } from '../support/nats-server';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

let system: TestSystem;
let ledger: Ledger;
beforeAll(async () => {
  system = await startTestSystem();
  ledger = await openLedger(system.nats.url);
});
afterAll(async () => {
  await ledger?.close();
  await system?.stop();
});

/** Resolves once it is stored. */
async function publish(tenant: string, body: unknown, id: string): Promise<void> {
  const headers = natsHeaders();
  headers.set('Llmos-Id', id);
  const subject = `llmos.v1.task.standard.${tenant}.echo`;
  const jetstream = ledger.connection.jetstream(PATIENT);
  await jetstream.publish(subject, JSON.stringify(body), { headers });
}

async function settled(): Promise<void> {
  await waitFor(async () => (await ledger.countOf('LLMOS_TASKS')) === 0, {
    what: 'every message to be acknowledged',
  });
}

describe('the same task id', () => {
  it('published twice, also by two clients and again later, runs once for one tenant', async () => {
    const other = await system.connectAs('default');
    // Sent one after the other, so the first is stored first; neither waits for the other's end.
    await Promise.all([1, 2].map(() => publish('default', { from: 'first' }, 'order-17')));
    await settled();
    const late = await other.submit('echo', { from: 'first' }, { id: 'order-17' });
    expect(late.isDuplicate).toBe(true);
    expect(await late.result()).toEqual({ from: 'first' });
    await publish('default', { from: 'first' }, 'order-17');
    await settled();
    const results = await ledger.results('default');
    expect(results.get('order-17')).toEqual([{ ok: true, output: { from: 'first' } }]);
  });

  it('stands for one function and body: another one is refused by name', async () => {
    const mine = system.os.submit('echo', { from: 'me' }, { id: 'order-17' });
    await expect(mine).rejects.toMatchObject({ code: 'ALREADY_EXISTS', retryable: false });
    const results = await ledger.results('default');
    expect(results.get('order-17')).toEqual([{ ok: true, output: { from: 'first' } }]);
  });

  it('is answered again by a kernel that has just started', async () => {
    await publish('default', { from: 'before' }, 'order-18');
    await settled();
    await system.kernel.stop();
    await system.startKernel();
    const again = await system.os.call('echo', { from: 'before' }, { id: 'order-18' });
    expect(again).toEqual({ from: 'before' });
    const other = system.os.call('echo', { from: 'after' }, { id: 'order-18' });
    await expect(other).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  it('is another task for another tenant', async () => {
    await publish('acme', { tenant: 'acme' }, 'order-17');
    await publish('globex', { tenant: 'globex' }, 'order-17');
    await settled();
    for (const tenant of ['acme', 'globex']) {
      const results = await ledger.results(tenant);
      expect(results.get('order-17')).toEqual([{ ok: true, output: { tenant } }]);
    }
  });
});
