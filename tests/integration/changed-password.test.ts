/** A program whose NATS server no longer takes its password ends, so that it is started anew. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { startKernel, startWorker } from '../support/programs';
import type { ProgramOptions, TestProgram } from '../support/programs';
import { waitFor } from '../support/wait-for';

const passwordIs = (password: string): string =>
  `authorization { user: llmos, password: ${password} }`;

let folder: string;
let server: TestNatsServer | undefined;
let program: TestProgram | undefined;

beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmos-changed-password-'))));
afterEach(async () => {
  await program?.kill();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const programs: readonly [string, (options: ProgramOptions) => Promise<TestProgram>][] = [
  ['kernel', startKernel],
  ['worker', startWorker],
];
it.each(programs)(
  'the %s ends with code 1 and says why where its password was changed',
  async (name, start) => {
    const options = { config: passwordIs('first') };
    server = await startNatsServer(options);
    const started = await start({
      env: {
        LLMOS_SERVERS: server.url.replace('//', '//llmos:first@'),
        LLMOS_CACHE_DIR: folder,
        LLMOS_DEVICE: 'cpu',
      },
    });
    program = started;
    options.config = passwordIs('second');
    await server.restart();

    expect(await started.exited).toBe(1);
    const reason = new RegExp(`Authorization Violation.*"event":"${name}-failed"`);
    await waitFor(() => reason.test(started.log()), { what: 'its reason in the log' });
  },
);
