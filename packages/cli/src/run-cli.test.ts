import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from './run-cli';
import { OutputClosed } from './usage-error';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: readonly string[]) {
  return runUntil(new AbortController().signal, ...args);
}

async function runUntil(signal: AbortSignal, ...args: readonly string[]) {
  let out = '';
  let err = '';
  const exitCode = await runCli(args, {
    out: { write: (text) => (out += text) },
    err: { write: (text) => (err += text) },
    env: { XDG_CONFIG_HOME: folder },
    folder,
    signal,
    readStdin: async () => '',
  });
  return { exitCode, out, err };
}

describe('the llmos command', () => {
  it('shows every command and examples in its help', async () => {
    const { exitCode, out } = await run('--help');
    expect(exitCode).toBe(0);
    const names = ['up', 'run', 'submit', 'result', 'status', 'cancel', 'ps', 'nodes', 'model'];
    for (const name of [...names, 'spawn', 'kill', 'functions', 'info', 'Examples']) {
      expect(out).toMatch(new RegExp(`\\b${name}\\b`));
    }
  });

  it('answers its version', async () => {
    expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [['fly']],
    [['run']],
    [['up', '--workers', '0']],
    [['up', '--device', 'abacus']],
    [['run', 'echo', '1', '--class', 'vip']],
    [['run', 'echo', '{']],
    [['run', 'echo', '1', '--stream']],
    [['up', '--data', '']],
    [['ps', '--data=']],
  ])('ends %j with code 2', async (args) => {
    const { exitCode, out, err } = await run(...args);
    expect(exitCode).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(/^error: /);
  });

  it('shows the logs of the programs, structured lines by their event', async () => {
    const data = join(folder, 'state');
    mkdirSync(join(data, 'logs'), { recursive: true });
    const line = { level: 'warn', time: '2026-01-02T03:04:05.678Z', event: 'node-lost', node: 'n' };
    writeFileSync(join(data, 'logs', 'kernel-1.log'), `${JSON.stringify(line)}\nplain\n`);
    writeFileSync(join(data, 'logs', 'worker-1.log'), 'one\ntwo\n');
    const all = await run('logs', '--data', data);
    expect(all.out.split('\n').slice(0, 2)).toEqual([
      'kernel-1  03:04:05.678  warn node-lost node=n',
      'kernel-1  plain',
    ]);
    expect((await run('logs', 'worker-1', '-n', '1', '--data', data)).out).toBe('two\n');
    expect(JSON.parse((await run('logs', 'kernel-1', '--json', '--data', data)).out)).toEqual(line);
    const unknown = await run('logs', 'kernel-9', '--data', data);
    expect(unknown.exitCode).toBe(2);
    expect(unknown.err).toContain('those that have: kernel-1, worker-1');
    expect((await run('logs', '--data', folder)).exitCode).toBe(1);
  });

  it('prints the completion script of a shell', async () => {
    const { exitCode, out } = await run('completion', 'bash');
    expect(exitCode).toBe(0);
    expect(out).toContain('"dead") words="list show retry drop');
    expect((await run('completion', 'tcsh')).exitCode).toBe(2);
  });

  it('takes defaults from the configuration file, and refuses unknown keys', async () => {
    const file = join(folder, 'llmos.config.json');
    writeFileSync(file, '{"nats":"http://nowhere"}');
    expect((await run('ps')).err).toContain('server "http://nowhere" is no NATS URL');
    writeFileSync(file, '{"wings":2}');
    const refused = await run('ps');
    rmSync(file);
    expect(refused.exitCode).toBe(2);
    expect(refused.err).toContain(`${file}: "wings" is not a setting`);
  });

  it('ends with code 130 and one word where it is interrupted', async () => {
    const interrupted = AbortSignal.abort();
    const { exitCode, err } = await runUntil(interrupted, 'ps', '--nats', 'nats://127.0.0.1:1');
    expect(exitCode).toBe(130);
    expect(err).toBe('error: interrupted (CANCELLED)\n');
  });

  it('ends well and silently where nobody takes its output any more', async () => {
    const closed = AbortSignal.abort(new OutputClosed());
    const { exitCode, err } = await runUntil(closed, 'ps', '--nats', 'nats://127.0.0.1:1');
    expect(exitCode).toBe(0);
    expect(err).toBe('');
  });

  it('says how to find a system where none runs, with code 1', async () => {
    const { exitCode, err } = await run('ps', '--data', folder);
    expect(exitCode).toBe(1);
    expect(err).toContain(`no running system was found in ${folder}: start one with \`llmos up\``);
    expect(err).not.toContain('    at ');
  });

  it('says so where the system is still starting', async () => {
    const data = join(folder, 'starting');
    mkdirSync(data);
    const urls = { natsUrl: '', kernelUrl: '' };
    const record = { version: 1, state: 'starting', osPid: process.pid, startMark: '', ...urls };
    writeFileSync(join(data, 'llmos-up.json'), JSON.stringify(record));
    const { exitCode, err } = await run('ps', '--data', data);
    expect(exitCode).toBe(1);
    expect(err).toContain(`the system in ${data} (pid ${process.pid}) is starting`);
  });

  it('prints one JSON value for an error with --json', async () => {
    const failed = await run('ps', '--data', folder, '--json');
    expect(failed.exitCode).toBe(1);
    expect(failed.err).toBe('');
    expect(JSON.parse(failed.out)).toMatchObject({ ok: false, error: { code: 'UNAVAILABLE' } });

    const misused = await run('ps', '--wings', '--json');
    expect(misused.exitCode).toBe(2);
    expect(JSON.parse(misused.out)).toMatchObject({
      ok: false,
      error: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('--wings') },
    });
  });
});
