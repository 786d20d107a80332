import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from './run-cli';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(...args: readonly string[]) {
  let out = '';
  let err = '';
  const exitCode = await runCli(args, {
    out: { write: (text) => (out += text) },
    err: { write: (text) => (err += text) },
    env: {},
    signal: new AbortController().signal,
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
  ])('ends %j with code 2', async (args) => {
    const { exitCode, out, err } = await run(...args);
    expect(exitCode).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(/^error: /);
  });

  it('says how to find a system where none runs, with code 1', async () => {
    const { exitCode, err } = await run('ps', '--data', folder);
    expect(exitCode).toBe(1);
    expect(err).toMatch(/^error: no running system was found: start one with `llmos up`/);
    expect(err).not.toContain('    at ');
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
