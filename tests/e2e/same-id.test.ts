/** `Llmos-Id` names one task per tenant, for as long as its result is kept. */
import { headers as natsHeaders } from 'nats';
import type { Answer } from '../support/kernel-under-test';
import { request } from '../support/kernel-under-test';
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
async function publish(
  tenant: string,
  body: unknown,
  id: string,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const headers = natsHeaders();
  headers.set('Llmos-Id', id);
  for (const [name, value] of Object.entries(more)) headers.set(name, value);
  const subject = `llmos.v1.task.standard.${tenant}.echo`;
  const jetstream = ledger.connection.jetstream(PATIENT);
  await jetstream.publish(subject, JSON.stringify(body), { headers });
}

async function settled(): Promise<void> {
  await waitFor(async () => (await ledger.countOf('LLMOS_TASKS')) === 0, {
    what: 'every message to be acknowledged',
  });
}

/** A call that says of its id that it was made for it. */
function callAsNew(
  body: unknown,
  id: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const headers = { 'Llmos-Id': id, ...NEW, ...more };
  const subject = 'llmos.v1.call.default.echo';
  return request(ledger.connection, { subject, body, headers });
}

const NEW = { 'Llmos-Id-New': 'true' };

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

describe('an id that is called new and is not', () => {
  const first = { ok: true, output: { from: 'first' } };

  it('runs once while a task of it is live or has just ended, and is refused for another body', async () => {
    await Promise.all([1, 2, 3].map(() => publish('default', { from: 'first' }, 'new-1', NEW)));
    await settled();
    expect(await callAsNew({ from: 'first' }, 'new-1')).toEqual(first);
    const other = await callAsNew({ from: 'second' }, 'new-1');
    expect(other.error).toMatchObject({ code: 'ALREADY_EXISTS', retryable: false });
    await settled();
    expect((await ledger.results('default')).get('new-1')).toEqual([first]);
  });

  it('is believed by a kernel that can’t know it: the first result stays, and answers the call', async () => {
    await system.kernel.stop();
    await system.startKernel();
    expect(await callAsNew({ from: 'first' }, 'new-1')).toEqual(first);
    await settled();
    expect((await ledger.results('default')).get('new-1')).toEqual([first]);
  });

  it('with another body leaves the first result, and its call is refused', async () => {
    await system.kernel.stop();
    await system.startKernel();
    const other = await callAsNew({ from: 'second' }, 'new-1');
    expect(other.error).toMatchObject({ code: 'ALREADY_EXISTS', retryable: false });
    await publish('default', { from: 'third' }, 'new-1', NEW);
    await settled();
    expect((await ledger.results('default')).get('new-1')).toEqual([first]);
    const mine = system.os.call('echo', { from: 'second' }, { id: 'new-1' });
    await expect(mine).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  it('stored for a shorter time hides no result that is kept longer', async () => {
    await system.kernel.stop();
    await system.startKernel();
    const short = { 'Llmos-Keep-Ms': '60000' };
    await callAsNew({ from: 'first' }, 'new-1', short);
    await settled();
    expect((await ledger.results('default')).get('new-1')).toEqual([first]);
    expect(await system.os.task('new-1').result()).toEqual({ from: 'first' });
    expect(await system.os.echo({ from: 'others' })).toEqual({ from: 'others' });
  });
});
