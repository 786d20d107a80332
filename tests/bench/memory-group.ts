/**
 * A memory limit of the operating system for one program, as a container has it: a control group
 * of its own, version 1 or 2. Linux, as root. What it took before it was added is not counted (a
 * kernel that has just started: about 80 MiB).
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MIB = 1024 * 1024;
const ROOTS = [
  { folder: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes', isOld: true },
  { folder: '/sys/fs/cgroup', limit: 'memory.max', isOld: false },
];

export class MemoryGroup {
  private constructor(
    private readonly folder: string,
    private readonly isOld: boolean,
  ) {}

  /** Throws where this machine has no such groups, or keeps them from this user. */
  static create(name: string, limitMib: number): MemoryGroup {
    const root = ROOTS.find(({ folder }) => existsSync(join(folder, 'cgroup.procs')));
    if (root === undefined) throw new Error('this machine has no control groups for memory');
    const folder = join(root.folder, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, root.limit), String(limitMib * MIB));
    return new MemoryGroup(folder, root.isOld);
  }

  add(osPid: number): void {
    writeFileSync(join(this.folder, 'cgroup.procs'), String(osPid));
  }

  /** The most that was taken at once, page cache included. */
  peakMib(): number {
    const file = this.isOld ? 'memory.max_usage_in_bytes' : 'memory.peak';
    return Math.round(Number(readFileSync(join(this.folder, file), 'utf8')) / MIB);
  }

  /** Once nothing runs in it any more. */
  remove(): void {
    rmdirSync(this.folder);
  }
}
