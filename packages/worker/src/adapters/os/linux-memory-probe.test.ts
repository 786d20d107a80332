import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createMemoryProbe } from './linux-memory-probe';

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'llmos-probe-'))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}
const MEMINFO = 'MemTotal: 1000 kB\nMemAvailable: 600 kB\n';

describe('memory probe', () => {
  it('is the machine where no cgroup limits it', () => {
    write({
      'proc/meminfo': MEMINFO,
      'proc/self/cgroup': '0::/\n',
      'sys/fs/cgroup/memory.max': 'max\n',
    });
    const probe = createMemoryProbe({ root });
    expect(probe.totalBytes()).toBe(1000 * 1024);
    expect(probe.freeBytes()).toBe(600 * 1024);
  });

  it('is the strictest limit of the cgroups above it', () => {
    write({
      'proc/meminfo': MEMINFO,
      'proc/self/cgroup': '0::/pod/c\n',
      'sys/fs/cgroup/pod/c/memory.max': 'max\n',
      'sys/fs/cgroup/pod/memory.max': '512000\n',
      'sys/fs/cgroup/pod/memory.current': '312000\n',
      'sys/fs/cgroup/pod/memory.stat': 'inactive_file 100000\n',
      'sys/fs/cgroup/pod/cpu.max': '100000 100000\n',
    });
    const probe = createMemoryProbe({ root });
    expect(probe.totalBytes()).toBe(512000);
    expect(probe.freeBytes()).toBe(300000);
    expect(probe.cores()).toBe(1);
  });

  it('stays below what slows a cgroup down, and follows limits that change', () => {
    write({
      'proc/meminfo': MEMINFO,
      'proc/self/cgroup': '0::/\n',
      'sys/fs/cgroup/memory.max': '512000\n',
      'sys/fs/cgroup/memory.high': '400000\n',
      'sys/fs/cgroup/memory.current': '100000\n',
    });
    const probe = createMemoryProbe({ root });
    expect(probe.totalBytes()).toBe(400000);
    expect(probe.freeBytes()).toBe(300000);
    write({ 'sys/fs/cgroup/memory.max': '200000\n' });
    expect(probe.freeBytes()).toBe(100000);
  });

  it('reads version 1 as well', () => {
    write({
      'proc/meminfo': MEMINFO,
      'proc/self/cgroup': '4:memory:/docker/x\n',
      // In a container its own cgroup is mounted as the root.
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '204800\n',
      'sys/fs/cgroup/memory/memory.usage_in_bytes': '4800\n',
    });
    const probe = createMemoryProbe({ root });
    expect(probe.totalBytes()).toBe(204800);
    expect(probe.freeBytes()).toBe(200000);
  });

  it('lets the operator say how much there is', () => {
    write({ 'proc/meminfo': MEMINFO });
    expect(createMemoryProbe({ root, totalBytes: 777 }).totalBytes()).toBe(777);
  });

  it('knows the resident bytes of a process, and when it is gone', () => {
    write({ 'proc/12/status': 'Name: x\nVmRSS:      80 kB\n' });
    const probe = createMemoryProbe({ root });
    expect(probe.residentBytes(12)).toBe(80 * 1024);
    expect(probe.residentBytes(13)).toBeUndefined();
  });
});
