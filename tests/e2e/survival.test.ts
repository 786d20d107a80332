/** Programs are killed with real signals in the middle of work; every task still ends exactly once. */
import { TASK_CLASSES } from '@llmos/base';
import type { ProcessRow } from '@llmos/sdk';
import { isAlive } from '../support/is-alive';
import type { Ledger } from '../support/ledger';
import { openLedger } from '../support/ledger';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';
import { PATIENT } from '../support/nats-server';

let system: TestSystem;
let ledger: Ledger;

async function begin(options: Parameters<typeof startTestSystem>[0] = {}): Promise<void> {
  system = await startTestSystem(options);
  ledger = await openLedger(system.nats.url);
}
afterEach(async () => {
  await ledger?.close();
  await system?.stop();
});

const story = { model: 'storyteller', prompt: 'Once upon a time', maxTokens: 40, temperature: 0 };

/** Hands in tasks of every class; answers their ids. */
async function submitMany(count: number, name: 'echo' | 'generate'): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const id = `task-${index}`;
    ids.push(id);
    const input = name === 'echo' ? { index } : story;
    await system.os.submit(name, input, { id, class: TASK_CLASSES[index % 3] ?? 'batch' });
  }
  return ids;
}

async function doneCount(): Promise<number> {
  return ledger.countOf('LLMOS_RESULTS');
}

/** A kernel that is killed keeps its lease: the next one has to wait for its end. */
const SHORT_LEASE = { LLMOS_LEASE_MS: '3000' } as const;

/** Each id has one stored result, that result is a success, and nothing is left over. */
async function expectAllEndedOnce(ids: readonly string[], limitMs = 120_000): Promise<void> {
  await waitFor(async () => (await doneCount()) >= ids.length, {
    what: `${ids.length} results`,
    limitMs,
  });
  const results = await ledger.results('default');
  expect([...results.keys()].sort()).toEqual([...ids].sort());
  for (const [, stored] of results) {
    expect(stored).toHaveLength(1);
    expect(stored[0]).toMatchObject({ ok: true });
  }
  await waitFor(async () => (await ledger.countOf('LLMOS_TASKS')) === 0, {
    what: 'every task to be acknowledged',
  });
  await waitFor(async () => (await system.os.ps()).every((row) => row.running === 0), {
    what: 'every permit to come back',
  });
}

async function readyProcess(model: string): Promise<ProcessRow> {
  return waitFor(
    async () =>
      (await system.os.ps()).find((row) => row.model.startsWith(model) && row.state === 'ready'),
    { what: `a ready process of ${model}` },
  );
}

describe('kill -9 in the middle of work', () => {
  it('of a process host during 200 echo tasks: each ends with exactly one result', async () => {
    await begin();
    await system.os.echo('warm');
    const before = await readyProcess('echo');
    const ids = Array.from({ length: 200 }, (_, index) => `task-${index}`);
    const submitted = submitMany(200, 'echo');
    await waitFor(async () => (await doneCount()) > 40, { what: 'some results' });
    process.kill(before.osPid ?? 0, 'SIGKILL');
    await submitted;
    await waitFor(async () => (await doneCount()) >= 201, { what: 'all results' });
    const results = await ledger.results('default');
    for (const id of ids)
      expect(results.get(id)).toEqual([{ ok: true, output: { index: Number(id.slice(5)) } }]);
    await waitFor(async () => (await readyProcess('echo')).osPid !== before.osPid, {
      what: 'the next process',
    });
  });

  it('of a process host while it generates: the tasks run again and end once', async () => {
    await begin({ models: ['storyteller'] });
    const warm = await system.os.generate(story);
    const before = await readyProcess('storyteller');
    await ledger.connection
      .jetstreamManager(PATIENT)
      .then((manager) => manager.streams.purge('LLMOS_RESULTS'));
    const ids = await submitMany(12, 'generate');
    await waitFor(async () => (await doneCount()) >= 2, { what: 'two results' });
    process.kill(before.osPid ?? 0, 'SIGKILL');
    await expectAllEndedOnce(ids);
    for (const [, [result]] of await ledger.results('default')) {
      expect(result).toMatchObject({ ok: true, output: { tokens: warm.tokens } });
    }
  });

  it('of the node agent: its hosts go with it and a new agent finishes the work', async () => {
    await begin({ models: ['storyteller'] });
    const ids = await submitMany(12, 'generate');
    const host = await readyProcess('storyteller');
    await waitFor(async () => (await doneCount()) >= 1, { what: 'a result' });
    await system.worker.kill();
    await waitFor(() => !isAlive(host.osPid ?? 0), { what: 'the host to end with its agent' });
    await system.startWorker();
    await expectAllEndedOnce(ids);
  });

  it('of the kernel, restarted: nothing acknowledged is lost or answered twice', async () => {
    await begin({ models: ['storyteller'], kernelEnv: SHORT_LEASE });
    const ids = await submitMany(12, 'generate');
    await waitFor(async () => (await doneCount()) >= 1, { what: 'a result' });
    const host = await readyProcess('storyteller');
    await system.kernel.kill();
    await system.startKernel();
    await expectAllEndedOnce(ids);
    expect((await readyProcess('storyteller')).osPid).toBe(host.osPid);
  });

  it('of the leader, with a standby: a call in flight is answered', async () => {
    await begin({ kernelEnv: SHORT_LEASE });
    await system.os.echo('warm');
    const leader = system.kernel;
    await system.startKernel();
    await leader.kill();
    expect(await system.os.echo('after', { timeoutMs: 120_000 })).toBe('after');
  });
});

describe('with 10 % of mailbox and report messages dropped', () => {
  it('300 tasks all end once and every permit comes back', async () => {
    await begin({ kernelEnv: { LLMOS_FAULT_DROP_RATE: '0.1' } });
    await expectAllEndedOnce(await submitMany(300, 'echo'));
  });
});
