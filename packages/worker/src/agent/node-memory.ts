/** Reads what the kernel of the operating system writes about memory and cores. Pure parsers. */

/** The value in bytes of a `Name:   123 kB` line of /proc/meminfo or /proc/PID/status. */
export function parseMemoryLine(text: string, name: string): number | undefined {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
  return match === null ? undefined : Number(match[1]) * 1024;
}

/** Where this program's cgroups are: version 2 (one path) and version 1 (one per controller). */
export interface CgroupPaths {
  readonly unified?: string;
  readonly memory?: string;
  readonly cpu?: string;
}

/** @param text of /proc/self/cgroup, lines `ID:CONTROLLERS:PATH`. */
export function parseCgroupPaths(text: string): CgroupPaths {
  const paths: { unified?: string; memory?: string; cpu?: string } = {};
  for (const line of text.split('\n')) {
    const [id, controllers, ...rest] = line.split(':');
    const path = rest.join(':');
    if (id === undefined || controllers === undefined || !path.startsWith('/')) continue;
    if (id === '0' && controllers === '') paths.unified = path;
    const names = controllers.split(',');
    if (names.includes('memory')) paths.memory = path;
    if (names.includes('cpu')) paths.cpu = path;
  }
  return paths;
}

/** The path and all above it, the deepest first: a limit of any of them holds. */
export function withAncestors(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  return Array.from(
    { length: parts.length + 1 },
    (_, index) => `/${parts.slice(0, parts.length - index).join('/')}`,
  );
}

/** Version 1 writes "no limit" as a number near 2^63. */
const UNLIMITED_BYTES = 2 ** 60;

/** @param text of memory.max, memory.current, memory.limit_in_bytes and the like. */
export function parseCgroupBytes(text: string | undefined): number | undefined {
  const trimmed = text?.trim();
  if (trimmed === undefined || !/^\d+$/.test(trimmed)) return undefined;
  const bytes = Number(trimmed);
  return bytes < UNLIMITED_BYTES ? bytes : undefined;
}

/** Whole cores of a `QUOTA PERIOD` limit (cpu.max); at least one. */
export function parseCpuMax(text: string | undefined): number | undefined {
  const match = /^(\d+) (\d+)\s*$/.exec(text ?? '');
  return match === null ? undefined : coresOf(Number(match[1]), Number(match[2]));
}

/** Version 1: two files; a quota of -1 is none. */
export function parseCpuQuota(quota: string | undefined, period: string | undefined) {
  const [quotaUs, periodUs] = [Number(quota), Number(period)];
  return quotaUs > 0 && periodUs > 0 ? coresOf(quotaUs, periodUs) : undefined;
}

function coresOf(quotaUs: number, periodUs: number): number | undefined {
  return periodUs > 0 ? Math.max(1, Math.floor(quotaUs / periodUs)) : undefined;
}

/**
 * Bytes of page cache that the operating system gives back when asked. Version 1 tells them for the
 * group alone and, like the bytes in use, for all below it (`total_`).
 */
export function parseReclaimableBytes(memoryStat: string | undefined): number {
  const text = memoryStat ?? '';
  const match = /^total_inactive_file (\d+)$/m.exec(text) ?? /^inactive_file (\d+)$/m.exec(text);
  return match === null ? 0 : Number(match[1]);
}
