/**
 * Accounts and users of a NATS server that may not do all that a kernel needs: it says what is
 * missing, where people look.
 */
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { waitFor } from '../support/wait-for';

let bench: KernelBench | undefined;
afterEach(() => bench?.stop());

async function readinessOf(kernel: { readonly httpUrl: string }): Promise<unknown> {
  const answer = await fetch(`${kernel.httpUrl}/readyz`);
  return { status: answer.status, ...((await answer.json()) as object) };
}

it('a kernel whose account allows too few consumers is not ready, and says why', async () => {
  const limits = 'max_mem: 100M, max_file: 2G, max_streams: 100, max_consumers: 2';
  const user = '{ user: llmos, password: secret }';
  bench = await startKernelBench({
    config: `accounts { L { jetstream { ${limits} }, users: [${user}] } }\nno_auth_user: llmos`,
  });
  const kernel = await bench.startKernel();
  const told = {
    status: 503,
    state: 'leadership-failed',
    reason: expect.stringMatching(/LLMOS_TASKS needs 3 consumers.*max_consumers/) as string,
  };
  await waitFor(async () => expect(await readinessOf(kernel)).toMatchObject(told) === undefined, {
    what: 'the kernel to tell',
  });
});
