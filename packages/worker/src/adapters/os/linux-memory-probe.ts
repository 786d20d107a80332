/** Memory and cores as Linux and its cgroups (versions 1 and 2) limit them; elsewhere Node's word. */
import { readFileSync } from 'node:fs';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import {
  parseCgroupBytes,
  parseCgroupPaths,
  parseCpuMax,
  parseCpuQuota,
  parseMemoryLine,
  parseReclaimableBytes,
  withAncestors,
} from '../../agent/node-memory';
import type { CgroupPaths } from '../../agent/node-memory';
import type { MemoryProbe } from '../../ports/memory-probe';

export interface LinuxMemoryProbeOptions {
  /** Stands in for what was probed. */
  readonly totalBytes?: number;
  /** Where /proc and /sys are; another one in tests. */
  readonly root?: string;
}

export interface NodeProbe extends MemoryProbe {
  cores(): number;
}

export function createMemoryProbe(options: LinuxMemoryProbeOptions = {}): NodeProbe {
  return new LinuxMemoryProbe(options);
}

class LinuxMemoryProbe implements NodeProbe {
  private readonly root: string;
  private readonly paths: CgroupPaths;

  constructor(private readonly options: LinuxMemoryProbeOptions) {
    this.root = options.root ?? '/';
    this.paths = parseCgroupPaths(this.read('proc/self/cgroup') ?? '');
  }

  totalBytes(): number {
    if (this.options.totalBytes !== undefined) return this.options.totalBytes;
    const machine = parseMemoryLine(this.read('proc/meminfo') ?? '', 'MemTotal') ?? totalmem();
    return Math.min(machine, ...this.cgroups().map((group) => group.limitBytes));
  }

  freeBytes(): number {
    const machine = parseMemoryLine(this.read('proc/meminfo') ?? '', 'MemAvailable') ?? freemem();
    const groups = this.cgroups().map((group) => group.limitBytes - group.usedBytes);
    return Math.max(0, Math.min(this.totalBytes(), machine, ...groups));
  }

  residentBytes(osPid: number): number | undefined {
    return parseMemoryLine(this.read(`proc/${osPid}/status`) ?? '', 'VmRSS');
  }

  cores(): number {
    const unified = this.each(this.paths.unified, 'sys/fs/cgroup', (folder) =>
      parseCpuMax(this.read(join(folder, 'cpu.max'))),
    );
    const version1 = this.each(this.paths.cpu, 'sys/fs/cgroup/cpu', (folder) =>
      parseCpuQuota(
        this.read(join(folder, 'cpu.cfs_quota_us')),
        this.read(join(folder, 'cpu.cfs_period_us')),
      ),
    );
    return Math.min(availableParallelism(), ...unified, ...version1);
  }

  /** The limits that hold for this program; none where there is no limit. */
  private cgroups(): { limitBytes: number; usedBytes: number }[] {
    const read = (folder: string, names: readonly [limit: string, used: string]) => {
      const limitBytes = parseCgroupBytes(this.read(join(folder, names[0])));
      if (limitBytes === undefined) return undefined;
      const used = parseCgroupBytes(this.read(join(folder, names[1]))) ?? 0;
      const cache = parseReclaimableBytes(this.read(join(folder, 'memory.stat')));
      return { limitBytes, usedBytes: Math.max(0, used - cache) };
    };
    return [
      ...this.each(this.paths.unified, 'sys/fs/cgroup', (folder) =>
        read(folder, ['memory.max', 'memory.current']),
      ),
      // Beyond it everything is slowed down until it is of no use.
      ...this.each(this.paths.unified, 'sys/fs/cgroup', (folder) =>
        read(folder, ['memory.high', 'memory.current']),
      ),
      ...this.each(this.paths.memory, 'sys/fs/cgroup/memory', (folder) =>
        read(folder, ['memory.limit_in_bytes', 'memory.usage_in_bytes']),
      ),
    ];
  }

  /** Looks at a cgroup and all above it. In a container its own one may be mounted as the root. */
  private each<T>(
    path: string | undefined,
    mount: string,
    look: (folder: string) => T | undefined,
  ): T[] {
    if (path === undefined) return [];
    return withAncestors(path)
      .map((part) => look(join(mount, part)))
      .filter((found) => found !== undefined);
  }

  private read(path: string): string | undefined {
    try {
      return readFileSync(join(this.root, path), 'utf8');
    } catch {
      return undefined;
    }
  }
}
