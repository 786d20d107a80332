/** Programs whose wall clocks are wrong: deadlines count by the stamps of NATS, never by theirs. */
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';

const AHEAD_MS = 90_000;
const FAR_AHEAD_MS = 13 * 60 * 60_000;

let system: TestSystem | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

async function begin(of: {
  readonly kernelMs?: number;
  readonly workerMs?: number;
}): Promise<TestSystem> {
  const { kernelMs = 0, workerMs = 0 } = of;
  return (system = await startTestSystem({
    kernelEnv: ahead(kernelMs),
    workerEnv: ahead(workerMs),
  }));
}

function ahead(byMs: number): Readonly<Record<string, string>> {
  return { LLMOS_FAULT_CLOCK_MS: String(byMs) };
}

describe('a wall clock that is wrong', () => {
  it.each([
    { program: 'kernel', kernelMs: AHEAD_MS },
    { program: 'kernel', kernelMs: -FAR_AHEAD_MS },
    { program: 'worker', workerMs: FAR_AHEAD_MS },
  ])('of a $program ends no call', async (wrong) => {
    const { os } = await begin(wrong);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => os.call('echo', index, { timeoutMs: 60_000 })),
    );
    expect(answers).toEqual(Array.from({ length: 10 }, (_, index) => index));
  });

  it('of a kernel that takes over, 13 h ahead, ends nothing of what waits', async () => {
    const { os, worker, kernel, startKernel, startWorker } = await begin({});
    await worker.stop();
    const tasks = await Promise.all(Array.from({ length: 50 }, (_, id) => os.submit('echo', id)));
    const urgent = await os.submit('echo', 'urgent', { timeoutMs: 60_000 });
    await kernel.kill();
    await startKernel({ ...ahead(FAR_AHEAD_MS), LLMOS_LEASE_MS: '60000' });
    await startWorker();
    const answers = await Promise.all(tasks.map((task) => task.result()));
    expect(answers).toEqual(Array.from({ length: 50 }, (_, id) => id));
    expect(await urgent.result()).toBe('urgent');
  });

  it('still ends a task in its time', async () => {
    const { os, worker } = await begin({ kernelMs: FAR_AHEAD_MS });
    await worker.stop();
    const task = await os.submit('echo', 'late', { timeoutMs: 1_000 });
    await expect(task.result()).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });
});
