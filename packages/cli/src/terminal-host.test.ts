import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { readText } from './terminal-host';

const { signal } = new AbortController();

describe('stdin', () => {
  it('is read to its end, without the mark that some programs begin a text with', async () => {
    const parts = [Buffer.from('\ufeff{"a":'), Buffer.from('"ü"}')];
    expect(await readText(Readable.from(parts), signal)).toBe('{"a":"ü"}');
    expect(await readText(Readable.from([]), signal)).toBe('');
  });

  it('is refused where it is no text', async () => {
    const reading = readText(Readable.from([Buffer.from([0xff, 0xfe])]), signal);
    await expect(reading).rejects.toThrow('stdin is not UTF-8');
  });

  it('is given up when the command is interrupted', async () => {
    const stop = new AbortController();
    const reading = readText(new PassThrough(), stop.signal);
    stop.abort();
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED', message: 'interrupted' });
  });
});

const built = join(__dirname, '..', 'dist', 'llmos-main.js');
const whenFull = existsSync(built) && existsSync('/dev/full') ? it : it.skip;

/** Of the built command, as a shell runs it. */
function runInShell(line: string) {
  return spawnSync('sh', ['-c', line, process.execPath, built], { encoding: 'utf8' });
}

whenFull('a command whose answer can’t be written fails (needs dist and /dev/full)', () => {
  const { status, stderr } = runInShell('"$0" "$1" completion bash > /dev/full');
  expect(stderr).toContain("error: the output can't be written: ENOSPC");
  expect(status).toBe(1);
});

whenFull('what is said beside the answer may get lost (needs dist and /dev/full)', () => {
  const { status, stdout } = runInShell('"$0" "$1" ps --data /nowhere --json 2> /dev/full');
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'UNAVAILABLE' } });
  expect(status).toBe(1);
  expect(runInShell('"$0" "$1" fly 2> /dev/full').status).toBe(2);
});
