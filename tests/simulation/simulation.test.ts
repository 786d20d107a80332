import { seededRandom } from '@llmos/base';
import { LOSSY_300, manyModels } from './scenario';
import { simulate } from './simulation';
import { countTableWork } from './table-work';

const SEED_COUNT = Number(process.env['LLMOS_SIM_SEEDS'] ?? 300);

describe('simulated system', () => {
  it(`ends all work with every invariant kept, for ${SEED_COUNT} seeds of faults`, async () => {
    let givenBack = 0;
    for (let seed = 1; seed <= SEED_COUNT; seed += 1) {
      const { problems, preemptions } = await simulate({ seed });
      givenBack += preemptions;
      if (problems.length === 0) continue;
      const shown = problems.slice(0, 5).join('\n  ');
      throw new Error(`seed ${seed}; replay: npm run sim -- --replay ${seed}\n  ${shown}`);
    }
    // Else the faults were never about generations that make room for others.
    expect(givenBack).toBeGreaterThan(SEED_COUNT / 5);
  }, 900_000);

  it('ends 300 tasks and gets all permits back while a tenth of messages is lost', async () => {
    for (const seed of [1, 2, 3]) {
      const outcome = await simulate({ seed, scenario: LOSSY_300 });
      expect(outcome).toMatchObject({ problems: [], tasks: 300 });
    }
  });

  it('costs a bounded amount of work for each event, also among 500 models on 50 nodes', async () => {
    for (const seed of [1, 2, 3]) {
      const tables = countTableWork();
      const scenario = manyModels(seededRandom(seed));
      const { problems, work } = await simulate({ seed, scenario, tables }).finally(() =>
        tables.end(),
      );
      expect(problems).toEqual([]);
      const { events, plans, decisions, tableSteps, mostTableSteps } = work;
      // No event walks over all models and nodes, but for the few that bring all of them.
      expect(tableSteps / events).toBeLessThan(80);
      expect(mostTableSteps).toBeLessThan(10_000);
      expect(plans / events).toBeLessThan(2);
      expect(decisions / events).toBeLessThan(2);
    }
  });

  it('repeats a run exactly from its seed: everything that happened, in its order', async () => {
    const first = await simulate({ seed: 7, isDigesting: true });
    const second = await simulate({ seed: 7, isDigesting: true });
    const other = await simulate({ seed: 8, isDigesting: true });
    expect(second).toEqual(first);
    expect(other.digest).not.toEqual(first.digest);
  });
});
