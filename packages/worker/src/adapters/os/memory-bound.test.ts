import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { boundMemory } from './memory-bound';

const MIB = 1024 * 1024;

/** Takes so many bytes when told, and says whether it got them. */
const PROGRAM = `process.on('message', (bytes) => {
  try { new Uint8Array(bytes).fill(1); process.send('taken'); }
  catch (error) { process.send(error.message); }
});
process.send('ready');`;

let child: ChildProcess | undefined;
afterEach(() => child?.kill('SIGKILL'));

const hasPrlimit = process.platform === 'linux' && existsSync('/usr/bin/prlimit');
(hasPrlimit ? it : it.skip)('a program gets no more than its bound, and lives on', async () => {
  const started = spawn(process.execPath, ['-e', PROGRAM], { stdio: [0, 1, 2, 'ipc'] });
  child = started;
  const next = () => new Promise((resolve) => started.once('message', resolve));
  expect(await next()).toBe('ready');
  expect(await boundMemory({ osPid: started.pid ?? 0, growthBytes: 128 * MIB })).toBeUndefined();
  for (const [bytes, answer] of [
    [64 * MIB, 'taken'],
    [512 * MIB, 'Array buffer allocation failed'],
    [64 * MIB, 'taken'],
  ] as const) {
    const heard = next();
    started.send(bytes);
    expect(await heard).toBe(answer);
  }
});

it('says why it could not be set', async () => {
  expect(await boundMemory({ osPid: 2 ** 30, growthBytes: 1 })).toMatch(/does not say/);
});
