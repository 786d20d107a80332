import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../run-cli';

const STORYTELLER = join(__dirname, '../../../../models/storyteller');

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmos-cli-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function quantize(...args: readonly string[]) {
  let out = '';
  let err = '';
  const exitCode = await runCli(['model', 'quantize', ...args], {
    out: { write: (text) => (out += text) },
    err: { write: (text) => (err += text) },
    env: { XDG_CONFIG_HOME: folder },
    folder,
    signal: new AbortController().signal,
    readStdin: async () => '',
  });
  return { exitCode, out, err };
}

describe('llmos model quantize', () => {
  it('shows size, error and speed, and what comes next', async () => {
    const to = join(folder, 'q4');
    const { exitCode, out } = await quantize(STORYTELLER, '--bits', '4', '--out', to);
    expect(exitCode).toBe(0);
    expect(out).toMatch(/size +12 MiB → 5\.1 MiB \(59 % less\)/);
    expect(out).toMatch(/error +\d\.\d % \(limit 30 %\)/);
    expect(out).toMatch(/BATCH +BEFORE +AFTER +SPEED\n +1 +.* ms +.* ms +.* ×\n +4 .*\n +16 /);
    expect(out).toContain(`llmos model add ${to}`);
    expect(readdirSync(join(to, 'onnx'))).toEqual(['model.onnx']);
  });

  it('ends with code 1 where the error passes the limit, and answers in JSON', async () => {
    const to = join(folder, 'q4');
    const args = ['--bits', '4', '--out', to, '--error-limit', '0.01', '--json'];
    const { exitCode, out } = await quantize(STORYTELLER, ...args);
    expect(exitCode).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      error: { code: 'FAILED_PRECONDITION', retryable: false },
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    [[STORYTELLER]],
    [[STORYTELLER, '--bits', '5']],
    [[STORYTELLER, '--bits', '4', '--block-size', '20']],
    [[STORYTELLER, '--bits', '4', '--error-limit', '2']],
    [['/nowhere', '--bits', '4']],
  ])('ends %j with code 2', async (args) => {
    const { exitCode, out, err } = await quantize(...args);
    expect(exitCode).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(/^error: /);
  });
});
