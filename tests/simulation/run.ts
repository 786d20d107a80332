/** `npm run sim`: replays one seed with its trace, or looks for seeds that fail. */
import { seededRandom } from '@llmos/base';
import { LOSSY_300, manyModels } from './scenario';
import { countTableWork } from './table-work';
import { simulate, type SimulationOutcome } from './simulation';

const HELP = `Runs simulated systems around the real core.

  npm run sim -- --seeds 500              seeds 1 to 500; stops at the first that fails
  npm run sim -- --seeds 500 --from 9000  seeds 9000 to 9499
  npm run sim -- --replay 42              one seed, with the trace of its events
  npm run sim -- --lossy 1                300 tasks while a tenth of all messages is lost
  npm run sim -- --many 1                 500 models on 50 nodes, and what that costs

Exits with 1 where a seed fails, with 2 where an option can't be read.`;

/** Between two lines of progress. */
const PROGRESS_MS = 30_000;

interface Command {
  readonly kind: 'help' | 'replay' | 'seeds' | 'lossy' | 'many';
  readonly value: number;
  readonly from: number;
}

function parseCommand(args: readonly string[]): Command | string {
  let command: Command = { kind: 'seeds', value: 500, from: 1 };
  for (let index = 0; index < args.length; index += 2) {
    const name = args[index] ?? '';
    if (name === '--help' || name === '-h') return { ...command, kind: 'help' };
    const text = args[index + 1] ?? '';
    if (!/^\d{1,9}$/.test(text)) return `${name} ${JSON.stringify(text)} is not a number`;
    const value = Number(text);
    if (name === '--replay') command = { ...command, kind: 'replay', value };
    else if (name === '--lossy') command = { ...command, kind: 'lossy', value };
    else if (name === '--many') command = { ...command, kind: 'many', value };
    else if (name === '--seeds') command = { ...command, kind: 'seeds', value };
    else if (name === '--from') command = { ...command, from: value };
    else return `unknown option ${JSON.stringify(name)}`;
  }
  return command;
}

async function runOne(command: Command): Promise<number> {
  const scenario = command.kind === 'lossy' ? { scenario: LOSSY_300 } : {};
  const outcome = await simulate({ seed: command.value, isTracing: true, ...scenario });
  console.log(outcome.trace.join('\n'));
  return report(outcome);
}

async function runSeeds(command: Command): Promise<number> {
  const startMs = performance.now();
  let steps = 0;
  let toldMs = startMs;
  for (let seed = command.from; seed < command.from + command.value; seed += 1) {
    const outcome = await simulate({ seed });
    steps += outcome.work.steps;
    if (outcome.problems.length > 0) return report(outcome);
    if (performance.now() - toldMs < PROGRESS_MS) continue;
    toldMs = performance.now();
    console.error(`${seed + 1 - command.from} of ${command.value} seeds`);
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const each = (command.value / Number(seconds)).toFixed(1);
  console.log(
    `${command.value} seeds, ${steps} steps, ${seconds} s (${each} a second): all work ended, no violation`,
  );
  return 0;
}

async function runMany({ value: seed }: Command): Promise<number> {
  const tables = countTableWork();
  const outcome = await simulate({ seed, scenario: manyModels(seededRandom(seed)), tables });
  tables.end();
  console.log(outcome.work);
  return report(outcome);
}

function report(outcome: SimulationOutcome): number {
  const { seed, problems, tasks, virtualMs } = outcome;
  console.log(`seed ${seed}: ${tasks} tasks in ${Math.round(virtualMs)} virtual ms`);
  for (const problem of problems) console.log(`  ${problem}`);
  if (problems.length === 0) return 0;
  console.log(`  replay: npm run sim -- --replay ${seed}`);
  return 1;
}

async function main(): Promise<number> {
  const command = parseCommand(process.argv.slice(2));
  if (typeof command === 'string') {
    console.error(command);
    console.error(HELP);
    return 2;
  }
  if (command.kind === 'help') {
    console.log(HELP);
    return 0;
  }
  if (command.kind === 'many') return runMany(command);
  return command.kind === 'seeds' ? runSeeds(command) : runOne(command);
}

void main().then((code) => (process.exitCode = code));
