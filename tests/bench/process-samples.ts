/** What the operating system says of the programs below this one, read from /proc. */
import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

export interface ProcessSample {
  readonly osPid: number;
  readonly name: string;
  readonly rssBytes: number;
  readonly handles: number;
  readonly threads: number;
}

/** This process and all that descend from it; what ends meanwhile is left out. */
export function sampleProcesses(names: ReadonlyMap<number, string>): ProcessSample[] {
  return descendantsOf(process.pid)
    .map((osPid) => sampleOf(osPid, names.get(osPid)))
    .filter((sample) => sample !== undefined);
}

/** How many files lie below a folder. */
export function sampleFolder(folder: string): { readonly files: number } {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  // `msgs` holds the messages of a stream of nats-server.
  const counted = entries.filter(
    (entry) => entry.isFile() && basename(entry.parentPath) !== 'msgs',
  );
  return { files: counted.length };
}

function descendantsOf(root: number): number[] {
  const childrenOf = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(fieldOf(tryRead(`/proc/${name}/status`), 'PPid'));
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (const osPid of found) found.push(...(childrenOf.get(osPid) ?? []));
  return found;
}

function sampleOf(osPid: number, known: string | undefined): ProcessSample | undefined {
  const status = tryRead(`/proc/${osPid}/status`);
  const rss = /^(\d+) kB$/.exec(fieldOf(status, 'VmRSS'));
  if (rss === null) return undefined;
  try {
    return {
      osPid,
      name: known ?? commandOf(osPid),
      rssBytes: Number(rss[1]) * 1024,
      handles: readdirSync(`/proc/${osPid}/fd`).length,
      threads: Number(fieldOf(status, 'Threads')),
    };
  } catch {
    return undefined;
  }
}

/** The program of a command line, or the script that Node runs. */
function commandOf(osPid: number): string {
  const [program = '', ...args] = tryRead(`/proc/${osPid}/cmdline`).split('\0');
  const script = args.find((arg) => arg.endsWith('.js'));
  return basename(script ?? program);
}

function fieldOf(status: string, name: string): string {
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
}

function tryRead(file: string): string {
  try {
    return readFileSync(join(file), 'utf8');
  } catch {
    return '';
  }
}
