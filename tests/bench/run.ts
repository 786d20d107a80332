/** `npm run bench`: figures as ratios in one run, medians of rounds that take turns. */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { startSystem } from '@llmos/local';
import { connect } from '@llmos/sdk';
import { benchEcho } from './echo-bench';
import { benchEmbed } from './embed-bench';
import type { Figure } from './figures';
import { tableOf } from './figures';
import { benchGenerate } from './generate-bench';
import { benchStartup } from './startup-bench';

const HELP = `Measures llmos against what it is built on, on this machine.

  npm run bench                     everything, 5 rounds
  npm run bench -- generate         or echo, embed, startup: this part alone (also --only PART)
  npm run bench -- --rounds 9       more rounds, less noise
  npm run bench -- --quick          one short round of few models: whether all works, no figures
  npm run bench -- --json           {"figures":[{"name","value","unit","goal","holds",…}],"machine":{…}}

Each figure is the median of its rounds. Exits with 0 whether goals are reached or not, with 2 where
an option can't be read.`;

const PARTS = ['echo', 'embed', 'generate', 'startup'] as const;
type Part = (typeof PARTS)[number];

interface Options {
  readonly parts: readonly Part[];
  readonly rounds: number;
  readonly isJson: boolean;
  readonly isQuick: boolean;
}

function parseOptions(args: readonly string[]): Options | string {
  let options: Options = { parts: PARTS, rounds: 5, isJson: false, isQuick: false };
  const rest = [...args];
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '--help' || name === '-h') return 'help';
    if (name === '--json') {
      options = { ...options, isJson: true };
      continue;
    }
    if (name === '--quick') {
      options = { ...options, isQuick: true, rounds: 1 };
      continue;
    }
    const named = PARTS.find((known) => known === name);
    if (named !== undefined) {
      options = { ...options, parts: [named] };
      continue;
    }
    const value = rest.shift() ?? '';
    const part = PARTS.find((known) => known === value);
    if (name === '--only' && part !== undefined) options = { ...options, parts: [part] };
    else if (name === '--rounds' && /^[1-9]\d{0,2}$/.test(value)) {
      options = { ...options, rounds: Number(value) };
    } else return `${name} ${JSON.stringify(value)} can't be read`;
  }
  return options;
}

async function bench(options: Options): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  const tell = (what: string): void => {
    if (!options.isJson) console.error(`… ${what}`);
  };
  if (options.parts.includes('echo')) {
    tell('echo');
    figures.push(...(await withSystem((system) => benchEcho({ ...system, ...options }))));
  }
  if (options.parts.includes('embed')) {
    tell('embed');
    figures.push(...(await withSystem((system) => benchEmbed({ ...system, ...options }))));
  }
  if (options.parts.includes('generate')) {
    tell('generate');
    figures.push(...(await benchGenerate({ ...options, tell })));
  }
  if (options.parts.includes('startup')) {
    tell('startup');
    figures.push(...(await benchStartup(options)));
  }
  return figures;
}

interface BenchSystem {
  readonly os: Awaited<ReturnType<typeof connect>>;
  readonly natsUrl: string;
}

async function withSystem<T>(use: (system: BenchSystem) => Promise<T>): Promise<T> {
  const dataDir = mkdtempSync(join(tmpdir(), 'llmos-bench-'));
  const system = await startSystem({ dataDir, device: 'cpu' });
  const os = await connect({ servers: system.natsUrl });
  try {
    return await use({ os, natsUrl: system.natsUrl });
  } finally {
    await os.close();
    await system.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function machine(): Readonly<Record<string, string | number>> {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 1024 ** 3),
    kernel: release(),
    node: process.version,
  };
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (typeof options === 'string') {
    if (options !== 'help') console.error(options);
    console.log(HELP);
    process.exitCode = options === 'help' ? 0 : 2;
    return;
  }
  const figures = await bench(options);
  if (options.isJson) console.log(JSON.stringify({ figures, machine: machine() }));
  else console.log(tableOf(figures), '\n\n' + JSON.stringify(machine()));
}

void main();
