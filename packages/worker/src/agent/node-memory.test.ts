import {
  parseCgroupBytes,
  parseCgroupPaths,
  parseCpuMax,
  parseCpuQuota,
  parseMemoryLine,
  parseReclaimableBytes,
  withAncestors,
} from './node-memory';

describe('what the operating system writes about memory', () => {
  it('reads lines of meminfo and status', () => {
    const text = 'MemTotal:       16384 kB\nMemAvailable:   1024 kB\n';
    expect(parseMemoryLine(text, 'MemAvailable')).toBe(1024 * 1024);
    expect(parseMemoryLine(text, 'Nothing')).toBeUndefined();
  });

  it('finds cgroups of version 2 and of version 1', () => {
    expect(parseCgroupPaths('0::/kubepods/pod1/c1\n')).toEqual({ unified: '/kubepods/pod1/c1' });
    const old = '5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc:x\n1:name=systemd:/x\n';
    expect(parseCgroupPaths(old)).toEqual({ cpu: '/docker/abc', memory: '/docker/abc:x' });
    expect(parseCgroupPaths('nonsense\n::\n')).toEqual({});
  });

  it('looks at a cgroup and all above it, never outside', () => {
    expect(withAncestors('/a/b')).toEqual(['/a/b', '/a', '/']);
    expect(withAncestors('/../..')).toEqual(['/']);
  });

  it('knows when there is no limit', () => {
    expect(parseCgroupBytes('max\n')).toBeUndefined();
    expect(parseCgroupBytes('9223372036854771712\n')).toBeUndefined();
    expect(parseCgroupBytes(undefined)).toBeUndefined();
    expect(parseCgroupBytes('536870912\n')).toBe(536870912);
  });

  it('counts whole cores of a quota, at least one', () => {
    expect(parseCpuMax('max 100000\n')).toBeUndefined();
    expect(parseCpuMax('250000 100000\n')).toBe(2);
    expect(parseCpuMax('50000 100000\n')).toBe(1);
    expect(parseCpuQuota('-1\n', '100000\n')).toBeUndefined();
    expect(parseCpuQuota('400000\n', '100000\n')).toBe(4);
  });

  it('does not count page cache as used', () => {
    expect(parseReclaimableBytes('anon 5\ninactive_file 4096\n')).toBe(4096);
    expect(parseReclaimableBytes('total_inactive_file 8192\n')).toBe(8192);
    // Of version 1: those of the group alone come first.
    expect(parseReclaimableBytes('inactive_file 1\ntotal_inactive_file 8192\n')).toBe(8192);
    expect(parseReclaimableBytes(undefined)).toBe(0);
  });
});
