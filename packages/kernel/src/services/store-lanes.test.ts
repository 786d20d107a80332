import type { TaskClass, TenantId } from '@llmos/base';
import { silentLogger, systemTimers } from '@llmos/base';
import { EDGE_LIMITS, STORE_RETRY } from '../edge-limits';
import { silentCounters } from '../ports/kernel-counters';
import type { StoreRequestName } from './store-lanes';
import { StoreLanes } from './store-lanes';

const { maxStoreRequests, maxTenantStoreRequests, maxPacedStoreRequests, pacedAfterCallMs } =
  EDGE_LIMITS;

function ownerOf(taskClass: TaskClass) {
  return { class: taskClass, tenant: 'default' as TenantId };
}

function lanesAt() {
  let nowMs = 0;
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  const options = {
    log: silentLogger,
    counters: silentCounters,
    nowMs: () => nowMs,
    timers: systemTimers,
    describe: String,
  };
  return { lanes: new StoreLanes(options), pass };
}

/** Requests that are answered when told. */
function requestsOf(lanes: StoreLanes) {
  const begun: string[] = [];
  const answers: (() => void)[] = [];
  let asked = 0;
  // Of many tenants, unless one is named.
  const ask = (
    name: string,
    taskClass: TaskClass,
    tenant = `tenant-${(asked += 1) % 8}` as TenantId,
    what: StoreRequestName = 'look-up-result',
  ): void => {
    void lanes
      .run(what, { class: taskClass, tenant }, () => {
        begun.push(name);
        return new Promise<void>((resolve) => answers.push(resolve));
      })
      .catch(() => undefined);
  };
  return { begun, answers, ask };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('lets an urgent request overtake thousands of others', async () => {
  const lanes = lanesAt().lanes;
  const { begun, ask } = requestsOf(lanes);
  for (let index = 0; index < 5_000; index += 1) ask(`batch-${index}`, 'batch');
  ask('urgent', 'interactive');
  await turn();
  expect(begun).toContain('urgent');
  expect(begun.length).toBeLessThan(maxStoreRequests);
  expect(lanes.waiting('batch')).toBe(5_000 - (begun.length - 1));
  lanes.end();
});

it('never stops a class for ever, however many more urgent requests there are', async () => {
  const lanes = lanesAt().lanes;
  const { begun, ask } = requestsOf(lanes);
  for (let index = 0; index < 5_000; index += 1) ask(`urgent-${index}`, 'interactive');
  ask('batch', 'batch');
  await turn();
  expect(begun).toContain('batch');
  lanes.end();
});

it('sends what waits as others are answered, in order', async () => {
  const lanes = lanesAt().lanes;
  const { begun, answers, ask } = requestsOf(lanes);
  for (let index = 0; index < 1_000; index += 1) ask(String(index), 'standard');
  for (let answered = 0; answered < 1_000; answered += 1) {
    while (answers[answered] === undefined) await turn();
    answers[answered]?.();
  }
  await turn();
  expect(begun).toEqual(Array.from({ length: 1_000 }, (_, index) => String(index)));
  expect(lanes.waiting('standard')).toBe(0);
});

it('leaves places to others however much one tenant asks for', async () => {
  const lanes = lanesAt().lanes;
  const { begun, answers, ask } = requestsOf(lanes);
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
  lanes.end();
});

it('answers each of many tenants in turn while thousands of requests wait', async () => {
  const lanes = lanesAt().lanes;
  const { begun, answers, ask } = requestsOf(lanes);
  for (let index = 0; index < 5_000; index += 1) ask(`flood-${index}`, 'interactive');
  await turn();
  expect(begun).toHaveLength(maxStoreRequests);
  for (const name of ['other-1', 'other-2']) ask(name, 'interactive', 'other' as TenantId);
  for (const answer of answers.slice(0, 20)) answer();
  await turn();
  expect(begun.slice(maxStoreRequests)).toEqual(expect.arrayContaining(['other-1', 'other-2']));
  lanes.end();
});

it('asks for little at once of what is less urgent while somebody waits for an urgent task', async () => {
  const { lanes, pass } = lanesAt();
  const { begun, answers, ask } = requestsOf(lanes);
  lanes.noteUrgent();
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
  lanes.end();
});

it('sends nothing while the lease has lapsed, neither anew nor again, and all of it then', async () => {
  const lanes = lanesAt().lanes;
  const { begun, ask } = requestsOf(lanes);
  let tries = 0;
  const repeated = lanes.run('commit-result', ownerOf('standard'), () => {
    tries += 1;
    return tries === 1 ? Promise.reject(new Error('no leader')) : Promise.resolve('stored');
  });
  await turn();
  lanes.suspend();
  ask('new', 'interactive');
  await new Promise((resolve) => setTimeout(resolve, 2 * STORE_RETRY.firstMs));
  expect([begun, tries]).toEqual([[], 1]);
  lanes.resume();
  await expect(repeated).resolves.toBe('stored');
  expect(begun).toEqual(['new']);
  lanes.end();
});

it('lets go of what waits for the lease when the leadership ends', async () => {
  const lanes = lanesAt().lanes;
  lanes.suspend();
  const waiting = lanes.run('look-up-result', ownerOf('batch'), () => Promise.resolve());
  lanes.end();
  await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
});

describe('while a store refuses what is written', () => {
  /** Every write fails, at once. */
  function refusing(lanes: StoreLanes, count: number, tenant?: TenantId): { tries: number } {
    const seen = { tries: 0 };
    for (let index = 0; index < count; index += 1) {
      const owner = {
        class: 'interactive',
        tenant: tenant ?? (`t-${index % 8}` as TenantId),
      } as const;
      const fail = (): Promise<void> => {
        seen.tries += 1;
        return Promise.reject(new Error('the store is full'));
      };
      lanes.run('commit-result', owner, fail).catch(() => undefined);
    }
    return seen;
  }

  it('look-ups go on, of its own tenant too, and only so many writes are tried again', async () => {
    const { lanes } = lanesAt();
    const { begun, ask } = requestsOf(lanes);
    const seen = refusing(lanes, 5_000);
    await turn();
    expect(seen.tries).toBeGreaterThanOrEqual(maxStoreRequests);
    expect(seen.tries).toBeLessThanOrEqual(2 * maxStoreRequests);
    for (let index = 0; index < 40; index += 1) ask(`look-up-${index}`, 'interactive');
    ask('batch', 'batch', 't-1' as TenantId);
    await turn();
    expect(begun).toHaveLength(41);
    lanes.end();
  });

  it('writes of others go on where one tenant’s alone are refused', async () => {
    const { lanes } = lanesAt();
    const { begun, ask } = requestsOf(lanes);
    const seen = refusing(lanes, 1_000, 'flood' as TenantId);
    await turn();
    expect(seen.tries).toBeLessThanOrEqual(2 * maxTenantStoreRequests);
    ask('other', 'interactive', 'other' as TenantId, 'commit-result');
    await turn();
    expect(begun).toEqual(['other']);
    lanes.end();
  });

  it('what was refused is tried again until it is stored', async () => {
    const { lanes } = lanesAt();
    let tries = 0;
    const stored = lanes.run('commit-result', ownerOf('batch'), () => {
      tries += 1;
      return tries < 3 ? Promise.reject(new Error('full')) : Promise.resolve('stored');
    });
    await expect(stored).resolves.toBe('stored');
    expect(tries).toBe(3);
  });
});

it('lets reads and writes of one tenant take turns, however many there are of one kind', async () => {
  const { lanes } = lanesAt();
  const { begun, answers, ask } = requestsOf(lanes);
  const tenant = 'flood' as TenantId;
  for (let index = 0; index < 1_000; index += 1) ask(`look-up-${index}`, 'standard', tenant);
  ask('write', 'standard', tenant, 'store-dead-letter');
  await turn();
  expect(begun).not.toContain('write');
  for (const answer of answers.splice(0, 2)) answer();
  await turn();
  expect(begun).toContain('write');
  lanes.end();
});
