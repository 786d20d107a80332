/** A Redis server of the bench's own, where the machine has the program. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '@llmos/local';

export interface RedisServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** A user's PATH may leave these out. */
const SYSTEM_FOLDERS = ['/usr/local/bin', '/usr/bin', '/opt/homebrew/bin'];

export function findRedis(
  path = process.env['PATH'] ?? '',
  systemFolders: readonly string[] = SYSTEM_FOLDERS,
): string | undefined {
  const folders = [...path.split(delimiter).filter((folder) => folder !== ''), ...systemFolders];
  return folders.map((folder) => join(folder, 'redis-server')).find(isExecutable);
}

/**
 * Durable as queues in Redis usually are: each write in the append-only file, which is synced to
 * the disk once a second; no snapshots. Throws where it ends before it is ready.
 */
export async function startRedis(program: string): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'llmos-bench-redis-'));
  const port = await freePort();
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir: folder,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const kill = (): void => void child.kill();
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    process.off('exit', kill);
    kill();
    await exited.catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  };
  const lines = createInterface({ input: child.stdout });
  const ready = new Promise<boolean>((resolve) => {
    lines.on('line', (line) => {
      if (line.includes('Ready to accept connections')) resolve(true);
    });
    exited.then(
      () => resolve(false),
      () => resolve(false),
    );
  });
  if (await ready) return { port, stop };
  await stop();
  throw new Error(`${program} ended before it was ready`);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
