import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { findRedis } from './redis-server';

describe('a Redis server', () => {
  const root = mkdtempSync(join(tmpdir(), 'llmos-redis-'));
  const folder = (name: string): string => join(root, name);
  beforeAll(() => {
    for (const name of ['first', 'second', 'empty']) mkdirSync(folder(name));
    for (const name of ['first', 'second']) {
      writeFileSync(join(folder(name), 'redis-server'), '');
      chmodSync(join(folder(name), 'redis-server'), 0o755);
    }
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('is found on the PATH, the first one', () => {
    const path = [folder('empty'), folder('first'), folder('second')].join(delimiter);
    expect(findRedis(path, [])).toBe(join(folder('first'), 'redis-server'));
  });

  it('is found where systems put it, when the PATH does not name it', () => {
    expect(findRedis(folder('empty'), [folder('second')])).toBe(
      join(folder('second'), 'redis-server'),
    );
  });

  it('is not found where there is none', () => {
    expect(findRedis('', [folder('empty')])).toBeUndefined();
  });
});
