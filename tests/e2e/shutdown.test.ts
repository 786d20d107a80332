/** Ctrl-C, SIGTERM, kill -9 and errors of `llmos` leave no process behind and free every port. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MARK, processesMarked } from '../support/marked-processes';
import { repositoryFolder } from '../support/shared-folder';
import { waitFor } from '../support/wait-for';

interface Run {
  readonly child: ChildProcess;
  readonly mark: string;
  readonly data: string;
  out(): string;
  err(): string;
  readonly exited: Promise<number | string>;
}

const runs: Run[] = [];
afterEach(async () => {
  for (const run of runs.splice(0)) {
    for (const left of processesMarked(run.mark)) process.kill(left.osPid, 'SIGKILL');
    await run.exited;
    rmSync(run.data, { recursive: true, force: true });
  }
});

function llmos(...args: readonly string[]): Run {
  const mark = randomUUID();
  const data = mkdtempSync(join(tmpdir(), 'llmos-up-'));
  const command = join(repositoryFolder, 'packages/cli/bin/llmos.js');
  const child = spawn(process.execPath, [command, ...args, '--data', data], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, [MARK]: mark, NO_COLOR: '1' },
    detached: true,
  });
  let out = '';
  let err = '';
  child.stdout?.setEncoding('utf8').on('data', (part: string) => (out += part));
  child.stderr?.setEncoding('utf8').on('data', (part: string) => (err += part));
  const exited = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  const run: Run = { child, mark, data, out: () => out, err: () => err, exited };
  runs.push(run);
  return run;
}

async function upAndReady(): Promise<Run & { readonly ports: readonly number[] }> {
  const run = llmos('up', '--no-models', '--device', 'cpu');
  const line = await waitFor(
    () =>
      /^llmos ready nats=nats:\/\/\S+?:(\d+) kernel=http:\/\/\S+?:(\d+)$/m.exec(run.out()) ??
      undefined,
    { what: `the ready line\n${run.err()}` },
  );
  expect(processesMarked(run.mark).length).toBeGreaterThanOrEqual(4);
  return { ...run, ports: [Number(line[1]), Number(line[2])] };
}

async function expectNothingLeft(run: Run & { readonly ports: readonly number[] }): Promise<void> {
  await waitFor(() => processesMarked(run.mark).length === 0, {
    what: `no process to be left: ${processesMarked(run.mark)
      .map((left) => left.command)
      .join('; ')}`,
  });
  for (const port of run.ports) await expectFree(port);
  const leftovers = readdirSync(run.data).filter((name) => /\.(pid|lock|sock)$/.test(name));
  expect(leftovers).toEqual([]);
  expect(existsSync(join(run.data, 'running.json'))).toBe(false);
}

/** A connection of some other program may have it for a moment. */
async function expectFree(port: number): Promise<void> {
  const listen = (): Promise<true> =>
    new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
  await waitFor(listen, { what: `port ${port} to be free`, everyMs: 200 });
}

describe('llmos up', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('ends with code 0 after %s', async (signal) => {
    const run = await upAndReady();
    run.child.kill(signal);
    expect(await run.exited).toBe(0);
    await expectNothingLeft(run);
  });

  it('ends cleanly after Ctrl-C, which signals the whole terminal group', async () => {
    const run = await upAndReady();
    process.kill(-(run.child.pid ?? 0), 'SIGINT');
    expect(await run.exited).toBe(0);
    await expectNothingLeft(run);
  });

  it('leaves nothing behind when it is killed with SIGKILL', async () => {
    const run = await upAndReady();
    run.child.kill('SIGKILL');
    await run.exited;
    await waitFor(() => processesMarked(run.mark).length === 0, {
      what: 'every program to end with its supervisor',
    });
    for (const port of run.ports) await expectFree(port);
  });

  it('fails with a reason and leaves nothing where no NATS server answers', async () => {
    const run = llmos('up', '--no-models', '--nats', 'nats://127.0.0.1:9', '--json');
    expect(await run.exited).toBe(1);
    const answer = JSON.parse(run.out()) as {
      ok: boolean;
      error: { code: string; message: string };
    };
    expect(answer).toMatchObject({ ok: false, error: { code: 'UNAVAILABLE' } });
    expect(answer.error.message).toContain('127.0.0.1:9');
    await waitFor(() => processesMarked(run.mark).length === 0, {
      what: 'every program to end',
    });
  });

  it('stops cleanly when it is interrupted while it starts', async () => {
    const run = llmos('up', '--no-models');
    await waitFor(() => processesMarked(run.mark).length >= 2, { what: 'a first program' });
    run.child.kill('SIGTERM');
    await run.exited;
    await waitFor(() => processesMarked(run.mark).length === 0, {
      what: 'every program to end',
    });
  });
});
