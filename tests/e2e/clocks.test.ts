/** Programs whose wall clocks are wrong: deadlines count by the stamps of NATS, never by theirs. */
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

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
  readonly leaseMs?: number;
}): Promise<TestSystem> {
  const { kernelMs = 0, workerMs = 0, leaseMs = 60_000 } = of;
  return (system = await startTestSystem({
    kernelEnv: { ...ahead(kernelMs), LLMOS_LEASE_MS: String(leaseMs) },
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
    const programs = await begin({ leaseMs: 2_000 });
    const { os } = programs;
    await programs.worker.stop();
    const tasks = await Promise.all(Array.from({ length: 50 }, (_, id) => os.submit('echo', id)));
    const urgent = await os.submit('echo', 'urgent', { timeoutMs: 600_000 });
    await programs.kernel.kill();
    await programs.startKernel({ ...ahead(FAR_AHEAD_MS), LLMOS_LEASE_MS: '2000' });
    await programs.startWorker();
    const answers = await Promise.all(tasks.map((task) => task.result()));
    expect(answers).toEqual(Array.from({ length: 50 }, (_, id) => id));
    expect(await urgent.result()).toBe('urgent');
  });

  it.each([FAR_AHEAD_MS, -FAR_AHEAD_MS])(
    'that is %i ms off still ends a task in its time',
    async (kernelMs) => {
      const { os, worker } = await begin({ kernelMs });
      await worker.stop();
      const task = await os.submit('echo', 'late', { timeoutMs: 1_000 });
      await expect(task.result()).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    },
  );

  it('shows in readiness, metrics, info and the row of the node', async () => {
    const { os, kernel, worker } = await begin({ kernelMs: AHEAD_MS, workerMs: -AHEAD_MS });
    const isOff = (offsetMs: number | undefined, byMs: number): boolean =>
      offsetMs !== undefined && Math.abs(offsetMs - byMs) < 10_000;
    await waitFor(async () => isOff((await os.info()).clock?.offsetMs, AHEAD_MS), {
      what: 'the leader to say that its clock is ahead',
    });
    await waitFor(async () => isOff((await os.nodes())[0]?.clockOffsetMs, -AHEAD_MS), {
      what: 'the node to say that its clock is behind',
    });
    const read = async (url: string): Promise<string> => (await fetch(url)).text();
    expect(await read(`${kernel.ready.httpUrl}/readyz`)).toContain('"state":"differs"');
    const offset = /^llmos_kernel_clock_offset_seconds (\S+)$/m.exec(
      await read(`${kernel.ready.httpUrl}/metrics`),
    );
    expect(isOff(Number(offset?.[1]) * 1_000, AHEAD_MS)).toBe(true);
    expect(await read(`${worker.ready.httpUrl}/metrics`)).toContain(
      'llmos_worker_clock_offset_seconds -',
    );
  });
});
