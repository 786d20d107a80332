/**
 * Accounts and users of a NATS server that may not do all that a kernel needs: it says what is
 * missing, where people look.
 */
import { STREAMS, silentLogger } from '@llmos/base';
import { assertPermissions } from '@llmos/kernel/testing';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { natsServerPrograms } from '../support/nats-server';
import { waitFor } from '../support/wait-for';

let bench: KernelBench | undefined;
afterEach(() => bench?.stop());

/** A server at which whoever connects without a name may do this. */
function benchFor(of: {
  readonly program: string | undefined;
  readonly permissions?: string;
  readonly limits?: string;
}): Promise<KernelBench> {
  const { program, permissions = '', limits = 'max_mem: 100M, max_file: 2G' } = of;
  const user = `{ user: llmos, password: secret ${permissions} }`;
  const operator = '{ user: operator, password: secret }';
  const accounts = `accounts { L { jetstream { ${limits} }, users: [${user}, ${operator}] } }`;
  const config = `${accounts}\nno_auth_user: llmos`;
  return startKernelBench({ config, ...(program === undefined ? {} : { program }) });
}

const refused = async (permissions: string, program: string | undefined): Promise<unknown> => {
  bench = await benchFor({ program, permissions: `, permissions: { ${permissions} }` });
  return bench.startKernel().then(
    () => 'started',
    (error: unknown) => error,
  );
};

describe.each(natsServerPrograms())('on %s', (_name, program) => {
  it('a kernel that may not subscribe or publish does not start, and names all of it', async () => {
    const subscribe = 'subscribe: { deny: ["llmos.v1.submit.>", "llmos.v1.sys.*.*"] }';
    const publish = 'publish: { deny: ["llmos.v1.task.>", "$JS.ACK.>"] }';
    expect(await refused(`${subscribe}, ${publish}`, program)).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining(
        'to subscribe to llmos.v1.submit.*.*, llmos.v1.sys.*.*, nor to publish to ' +
          'llmos.v1.task.interactive.*.*, llmos.v1.task.standard.*.*, llmos.v1.task.batch.*.*, ' +
          '$JS.ACK.LLMOS_TASKS.*.*.*.*.*.*.',
      ) as string,
    });
  });

  it('one that may do what it needs, and no more, starts; asking for it leaves nothing', async () => {
    const subjects = ['llmos.>', '$KV.>', '$O.>', '_INBOX.>'];
    const all = [...subjects, '$JS.API.>', '$JS.ACK.>', '$JS.FC.>'];
    const allow = (names: readonly string[]) => `{ allow: ${JSON.stringify(names)} }`;
    bench = await benchFor({
      program,
      permissions: `, permissions: { publish: ${allow(all)}, subscribe: ${allow(all)} }`,
    });
    const { manager } = bench;
    const states = async () => {
      const infos = Object.values(STREAMS).map((name) => manager.streams.info(name));
      return (await Promise.all(infos)).map(({ state }) => state.last_seq);
    };
    await (await bench.startKernel()).close();
    const before = await states();
    const consumers = await manager.consumers.list(STREAMS.tasks).next();
    await assertPermissions({ connection: bench.connection, log: silentLogger });
    expect(await states()).toEqual(before);
    expect(await manager.consumers.list(STREAMS.tasks).next()).toHaveLength(consumers.length);
  });
});

async function readinessOf(kernel: { readonly httpUrl: string }): Promise<unknown> {
  const answer = await fetch(`${kernel.httpUrl}/readyz`);
  return { status: answer.status, ...((await answer.json()) as object) };
}

it('a kernel whose account allows too few consumers is not ready, and says why', async () => {
  const limits = 'max_mem: 100M, max_file: 2G, max_streams: 100, max_consumers: 2';
  bench = await benchFor({ program: undefined, limits });
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
