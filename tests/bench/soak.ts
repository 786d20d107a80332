/**
 * `npm run soak`: steady mixed load on a system of its own, and whether anything grows.
 *
 * What is stored stays as it is: a store that fills refuses requests, which is a failure. Its files
 * of messages are not counted, since results are kept for a day, longer than any soak.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ProcessContexts } from '@llmos/base';
import { startSystem } from '@llmos/local';
import type { RunningSystem } from '@llmos/local';
import { connect } from '@llmos/sdk';
import type { LlmosClient } from '@llmos/sdk';
import { connect as connectNats } from 'nats';
import type { JetStreamManager } from 'nats';
import { repositoryFolder } from '../support/shared-folder';
import type { Growth, GrowthBound } from './growth';
import { growthOf } from './growth';
import { sampleFolder, sampleProcesses } from './process-samples';
import type { SoakLoad } from './soak-load';
import { startSoakLoad } from './soak-load';

const HELP = `Runs a system under steady mixed load and prints what grew, as JSON.

  npm run soak -- --minutes 3    default: 3

Compares the median of the second tenth of the run with that of the last tenth. Exits with 1 where
something grew beyond its bound, a request ended otherwise than it should, or a program was
restarted; with 2 where an option can't be read.`;

const MIB = 1024 * 1024;
/**
 * Heaps of Node breathe, and each of a host's threads has one that V8 lets grow by tens of MiB
 * before it collects; handles and threads may not grow.
 */
const BOUNDS: Readonly<Record<string, GrowthBound>> = {
  rssBytes: { share: 0.2, amount: 64 * MIB },
  handles: { share: 0, amount: 8 },
  threads: { share: 0, amount: 8 },
  consumers: { share: 0, amount: 2 },
  files: { share: 0, amount: 64 },
};
/**
 * nats-server opens files, and threads for them, as a slow disk demands, and closes them when it
 * likes; a leak shows by hundreds.
 */
const SERVER_BOUNDS: Readonly<Record<string, GrowthBound>> = {
  ...BOUNDS,
  handles: { share: 0, amount: 64 },
  threads: { share: 0, amount: 64 },
};
const MOST_SAMPLES = 300;
const LEAST_SAMPLE_MS = 1_000;
const LOADED = ['embed', 'classify', 'generate', 'echo'] as const;

type Series = Map<string, number[]>;

interface Soak {
  readonly system: RunningSystem;
  readonly os: LlmosClient;
  readonly manager: JetStreamManager;
  readonly folder: string;
  readonly series: Series;
  /** Operating system pids by name, to see restarts. */
  readonly osPids: Map<string, Set<number>>;
}

function parseMinutes(args: readonly string[]): number | string {
  const [name = '--minutes', value = '3', ...more] = args;
  if (name === '--help' || name === '-h') return 'help';
  const minutes = /^\d{1,4}(\.\d)?$/.test(value) ? Number(value) : 0;
  if (name !== '--minutes' || more.length > 0) return `unknown options ${JSON.stringify(args)}`;
  return minutes > 0 ? minutes : `--minutes ${JSON.stringify(value)} is not a number above 0`;
}

async function soak(minutes: number): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'llmos-soak-'));
  const modelsDir = join(repositoryFolder, 'models');
  const system = await startSystem({ dataDir: folder, modelsDir, device: 'cpu' });
  const os = await connect({ servers: system.natsUrl });
  const connection = await connectNats({ servers: system.natsUrl });
  const manager = await connection.jetstreamManager();
  const parts: Soak = { system, os, manager, folder, series: new Map(), osPids: new Map() };
  try {
    const load = startSoakLoad(os, connection);
    await untilLoaded(load);
    await sampleFor(parts, minutes * 60_000);
    await load.stop();
    return report(parts, minutes, load);
  } finally {
    await os.close();
    await connection.close();
    await system.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Until every model has answered once. */
async function untilLoaded(load: SoakLoad): Promise<void> {
  const isDone = (name: string): boolean => (load.counts[name]?.done ?? 0) > 0;
  for (let tries = 0; tries < 600 && !LOADED.every(isDone); tries += 1) await pause(200);
}

async function sampleFor(parts: Soak, durationMs: number): Promise<void> {
  const everyMs = Math.max(LEAST_SAMPLE_MS, durationMs / MOST_SAMPLES);
  const endMs = performance.now() + durationMs;
  for (let next = performance.now(); next < endMs; next += everyMs) {
    await pause(Math.max(0, next - performance.now()));
    await sample(parts);
  }
}

async function sample(parts: Soak): Promise<void> {
  const names = new Map<number, string>([[process.pid, 'client']]);
  for (const [name, osPid] of Object.entries(parts.system.osPids())) names.set(osPid, name);
  const held = new Map<number, number>();
  for (const row of await parts.os.ps()) {
    if (row.osPid === undefined || row.state === 'exited') continue;
    names.set(row.osPid, row.model);
    if (row.contexts !== undefined) held.set(row.osPid, bytesOf(row.contexts));
  }
  for (const { osPid, name, rssBytes, ...others } of sampleProcesses(names)) {
    parts.osPids.set(name, (parts.osPids.get(name) ?? new Set()).add(osPid));
    // What generations hold has bounds of its own, and takes hours to fill them.
    const figures = { ...others, rssBytes: rssBytes - (held.get(osPid) ?? 0) };
    for (const [figure, value] of Object.entries(figures)) {
      add(parts.series, `${name} ${figure}`, value);
    }
  }
  add(parts.series, 'data files', sampleFolder(parts.folder).files);
  add(parts.series, 'jetstream consumers', await countConsumers(parts.manager));
}

function bytesOf({ rowBytes, savedBytes, prefixBytes }: ProcessContexts): number {
  return rowBytes + savedBytes + prefixBytes;
}

async function countConsumers(manager: JetStreamManager): Promise<number> {
  let consumers = 0;
  for await (const stream of manager.streams.list()) consumers += stream.state.consumer_count;
  return consumers;
}

function add(series: Series, name: string, value: number): void {
  const values = series.get(name);
  if (values === undefined) series.set(name, [value]);
  else values.push(value);
}

function report(parts: Soak, minutes: number, load: SoakLoad): boolean {
  const figures: Growth[] = [];
  for (const [name, samples] of parts.series) {
    const bounds = name.startsWith('nats-server ') ? SERVER_BOUNDS : BOUNDS;
    const bound = bounds[name.split(' ').at(-1) ?? ''];
    const growth = bound === undefined ? undefined : growthOf(name, samples, bound);
    if (growth !== undefined) figures.push(growth);
  }
  const restarted = [...parts.osPids].filter(([, pids]) => pids.size > 1).map(([name]) => name);
  const hasFailed = Object.values(load.counts).some((count) => count.failed > 0);
  const holds =
    figures.length > 0 &&
    figures.every((figure) => figure.holds) &&
    restarted.length === 0 &&
    !hasFailed;
  const samples = parts.series.get('data files')?.length ?? 0;
  const requests = load.counts;
  console.log(JSON.stringify({ minutes, samples, holds, requests, restarted, figures }, null, 2));
  return holds;
}

async function main(): Promise<void> {
  const minutes = parseMinutes(process.argv.slice(2));
  if (typeof minutes === 'number') {
    process.exitCode = (await soak(minutes)) ? 0 : 1;
    return;
  }
  if (minutes !== 'help') console.error(minutes);
  console.log(HELP);
  process.exitCode = minutes === 'help' ? 0 : 2;
}

void main();
