import type { TaskClass, TenantId } from '@llmos/base';
import { silentLogger, systemTimers } from '@llmos/base';
import { EDGE_LIMITS, STORE_RETRY } from '../../edge-limits';
import { silentCounters } from '../../ports/kernel-counters';
import { Persistence } from './retry';

const { maxStoreRequests, maxTenantStoreRequests, maxPacedStoreRequests, pacedAfterCallMs } =
  EDGE_LIMITS;

function ownerOf(taskClass: TaskClass) {
  return { class: taskClass, tenant: 'default' as TenantId };
}

function persistenceAt() {
  let nowMs = 0;
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  const options = {
    log: silentLogger,
    counters: silentCounters,
    nowMs: () => nowMs,
    timers: systemTimers,
  };
  return { persistence: new Persistence(options), pass };
}

/** Requests that are answered when told. */
function requestsOf(persistence: Persistence) {
  const begun: string[] = [];
  const answers: (() => void)[] = [];
  let asked = 0;
  // Of many tenants, unless one is named.
  const ask = (
    name: string,
    taskClass: TaskClass,
    tenant = `tenant-${(asked += 1) % 8}` as TenantId,
  ): void => {
    void persistence
      .run(name, { class: taskClass, tenant }, () => {
        begun.push(name);
        return new Promise<void>((resolve) => answers.push(resolve));
      })
      .catch(() => undefined);
  };
  return { begun, answers, ask };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('lets an urgent request overtake thousands of others', async () => {
  const persistence = persistenceAt().persistence;
  const { begun, ask } = requestsOf(persistence);
  for (let index = 0; index < 5_000; index += 1) ask(`batch-${index}`, 'batch');
  ask('urgent', 'interactive');
  await turn();
  expect(begun).toContain('urgent');
  expect(begun.length).toBeLessThan(maxStoreRequests);
  expect(persistence.waiting('batch')).toBe(5_000 - (begun.length - 1));
  persistence.end();
});

it('never stops a class for ever, however many more urgent requests there are', async () => {
  const persistence = persistenceAt().persistence;
  const { begun, ask } = requestsOf(persistence);
  for (let index = 0; index < 5_000; index += 1) ask(`urgent-${index}`, 'interactive');
  ask('batch', 'batch');
  await turn();
  expect(begun).toContain('batch');
  persistence.end();
});

it('sends what waits as others are answered, in order', async () => {
  const persistence = persistenceAt().persistence;
  const { begun, answers, ask } = requestsOf(persistence);
  for (let index = 0; index < 1_000; index += 1) ask(String(index), 'standard');
  for (let answered = 0; answered < 1_000; answered += 1) {
    while (answers[answered] === undefined) await turn();
    answers[answered]?.();
  }
  await turn();
  expect(begun).toEqual(Array.from({ length: 1_000 }, (_, index) => String(index)));
  expect(persistence.waiting('standard')).toBe(0);
});

it('leaves places to others however much one tenant asks for', async () => {
  const persistence = persistenceAt().persistence;
  const { begun, answers, ask } = requestsOf(persistence);
  const flood = 'flood' as TenantId;
  for (let index = 0; index < 5_000; index += 1) ask(`flood-${index}`, 'interactive', flood);
  ask('other', 'interactive', 'other' as TenantId);
  await turn();
  expect(begun).toHaveLength(maxTenantStoreRequests + 1);
  expect(begun).toContain('other');
  // One of its own makes room for the next.
  answers[0]?.();
  await turn();
  expect(begun.at(-1)).toBe(`flood-${maxTenantStoreRequests}`);
  persistence.end();
});

it('answers each of many tenants in turn while thousands of requests wait', async () => {
  const persistence = persistenceAt().persistence;
  const { begun, answers, ask } = requestsOf(persistence);
  for (let index = 0; index < 5_000; index += 1) ask(`flood-${index}`, 'interactive');
  await turn();
  expect(begun).toHaveLength(maxStoreRequests);
  for (const name of ['other-1', 'other-2']) ask(name, 'interactive', 'other' as TenantId);
  for (const answer of answers.slice(0, 20)) answer();
  await turn();
  expect(begun.slice(maxStoreRequests)).toEqual(expect.arrayContaining(['other-1', 'other-2']));
  persistence.end();
});

it('asks for little at once of what is less urgent while somebody waits for an urgent task', async () => {
  const { persistence, pass } = persistenceAt();
  const { begun, answers, ask } = requestsOf(persistence);
  persistence.noteUrgent();
  for (let index = 0; index < 1_000; index += 1) ask(`batch-${index}`, 'batch');
  await turn();
  expect(begun).toHaveLength(maxPacedStoreRequests);
  for (const answer of answers.splice(0)) answer();
  await turn();
  expect(begun).toHaveLength(2 * maxPacedStoreRequests);
  for (let index = 0; index < 100; index += 1) ask(`urgent-${index}`, 'interactive');
  await turn();
  expect(begun).toHaveLength(2 * maxPacedStoreRequests + 100);
  // Nobody called any more: the next answer lets all go that may.
  pass(pacedAfterCallMs);
  answers[0]?.();
  await turn();
  expect(begun.length).toBeGreaterThan(3 * maxPacedStoreRequests + 100);
  persistence.end();
});

it('sends nothing while the lease has lapsed, neither anew nor again, and all of it then', async () => {
  const persistence = persistenceAt().persistence;
  const { begun, ask } = requestsOf(persistence);
  let tries = 0;
  const repeated = persistence.run('repeated', ownerOf('standard'), () => {
    tries += 1;
    return tries === 1 ? Promise.reject(new Error('no leader')) : Promise.resolve('stored');
  });
  await turn();
  persistence.suspend();
  ask('new', 'interactive');
  await new Promise((resolve) => setTimeout(resolve, 2 * STORE_RETRY.firstMs));
  expect([begun, tries]).toEqual([[], 1]);
  persistence.resume();
  await expect(repeated).resolves.toBe('stored');
  expect(begun).toEqual(['new']);
  persistence.end();
});

it('lets go of what waits for the lease when the leadership ends', async () => {
  const persistence = persistenceAt().persistence;
  persistence.suspend();
  const waiting = persistence.run('waiting', ownerOf('batch'), () => Promise.resolve());
  persistence.end();
  await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
});
