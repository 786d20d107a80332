import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNatsServer } from './nats-finder';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-finder-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function fakeProgram(path: string, script: string): string {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

function fakeServer(path: string, version: string): string {
  return fakeProgram(path, `echo "nats-server: v${version}"`);
}

/** No installer on this PATH unless a test puts one there. */
function find(names: readonly string[], options: { readonly mayInstall?: boolean } = {}) {
  const path = names.map((name) => join(folder, name)).join(':');
  return findNatsServer({
    env: { PATH: path },
    cacheFolder: join(folder, 'cache'),
    systemFolders: [],
    ...options,
  });
}

describe('the NATS server finder', () => {
  it('takes the first server on the PATH that is new enough', async () => {
    fakeServer(join(folder, 'old', 'nats-server'), '2.8.4');
    const good = fakeServer(join(folder, 'good', 'nats-server'), '2.9.10');
    fakeServer(join(folder, 'newest', 'nats-server'), '2.15.1');
    const found = await find(['missing', 'old', 'good', 'newest']);
    expect(found).toEqual({
      path: good,
      version: { major: 2, minor: 9, patch: 10 },
      origin: 'path',
    });
  });

  it('passes over files that are no program, and programs that say no version', async () => {
    mkdirSync(join(folder, 'folder', 'nats-server'), { recursive: true });
    mkdirSync(join(folder, 'plain'));
    writeFileSync(join(folder, 'plain', 'nats-server'), 'not a program');
    fakeProgram(join(folder, 'failing', 'nats-server'), 'exit 3');
    const good = fakeServer(join(folder, 'good', 'nats-server'), '2.10.0');
    const found = await find(['folder', 'plain', 'failing', 'good']);
    expect(found.path).toBe(good);
  });

  it('finds the one in the cache where the PATH has none', async () => {
    const cached = fakeServer(
      join(folder, 'cache', 'nats-server', 'usr', 'sbin', 'nats-server'),
      '2.11.0',
    );
    expect(await find([])).toMatchObject({ path: cached, origin: 'cache' });
  });

  it('names the server that is too old, and the commands to run, where it finds no other', async () => {
    const old = fakeServer(join(folder, 'old', 'nats-server'), '2.8.4');
    const finding = find(['old'], { mayInstall: false });
    await expect(finding).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await expect(finding).rejects.toThrow(`${old} (2.8.4)`);
    await expect(finding).rejects.toThrow('apt-get install nats-server');
  });

  it('says that it can not install one where the tools for it are missing', async () => {
    await expect(find([])).rejects.toThrow('apt-get is not on this machine');
  });

  it('installs the package of the distribution into the cache, with lists of its own', async () => {
    fakeAptGet('[ -n "$lists" ] && echo package > nats-server_2.9.10_amd64.deb');
    fakeDpkgDeb();
    const found = await find(['tools']);
    expect(found).toMatchObject({ origin: 'installed', version: { major: 2, minor: 9 } });
    expect(found.path).toBe(join(folder, 'cache/nats-server/usr/sbin/nats-server'));
    // The second time it is there.
    expect(await find([])).toMatchObject({ origin: 'cache' });
  });

  it('tells why the installation failed', async () => {
    fakeAptGet('echo "E: Unable to locate package nats-server" >&2; exit 100');
    fakeDpkgDeb();
    await expect(find(['tools'])).rejects.toThrow('Unable to locate package nats-server');
  });

  /** @param download what `apt-get download` does; `$lists` is set where the lists are our own. */
  function fakeAptGet(download: string): void {
    fakeProgram(
      join(folder, 'tools', 'apt-get'),
      `lists=""
case "$*" in *Dir::State::Lists*) lists=own ;; esac
case "$*" in
  --version) exit 0 ;;
  *update) exit 0 ;;
  *download*) ${download} ;;
esac`,
    );
  }

  function fakeDpkgDeb(): void {
    fakeProgram(
      join(folder, 'tools', 'dpkg-deb'),
      `[ "$1" = --version ] && exit 0
/bin/mkdir -p "$3/usr/sbin"
printf '#!/bin/sh\\necho "nats-server: v2.9.10"\\n' > "$3/usr/sbin/nats-server"
/bin/chmod 755 "$3/usr/sbin/nats-server"`,
    );
  }
});
