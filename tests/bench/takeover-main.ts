/** `node tests/dist/bench/takeover-main.js`: the figures of docs/limits.md. */
import { numberOption } from './number-option';
import type { TakeoverOptions } from './takeover';
import { benchTakeover } from './takeover';

const HELP = `Kills the leader of two kernels again and again while tasks wait; prints JSON.

  node tests/dist/bench/takeover-main.js [--tasks 440000] [--kills 5] [--heap 1152] [--ids]
                                         [--limit 1536] [--results 0]

--heap: MiB of each kernel's heap, as deploy/kubernetes/base has it; --limit: MiB that the
system allows each kernel, in a control group (Linux, as root; default: no limit); --ids: the
tasks have ids of their own, so each must be looked up; --results: so many of them have their
result already.

Exits with 1 where a task was lost or has no result at the end, a lease was lost, or the first
answer after a kill took longer than 10 s.`;
const MOST_MS = 10_000;

function readOptions(args: readonly string[]): TakeoverOptions {
  const valueOf = (name: string, fallback: number): number => numberOption(args, name, fallback);
  return {
    tasks: valueOf('--tasks', 440_000),
    kills: valueOf('--kills', 5),
    heapMib: valueOf('--heap', 1_152),
    ...(args.includes('--limit') ? { limitMib: valueOf('--limit', 1_536) } : {}),
    hasIds: args.includes('--ids'),
    results: valueOf('--results', 0),
    say: (what, fields = {}) => {
      process.stderr.write(`${JSON.stringify({ what, ...fields })}\n`);
    },
  };
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(`${HELP}\n`);
    return;
  }
  const options = readOptions(args);
  const report = await benchTakeover(options);
  process.stdout.write(`${JSON.stringify(report)}\n`);
  const isSoon = report.takeovers.every(({ firstEchoMs }) => firstEchoMs < MOST_MS);
  const isWhole = report.left === report.expected && report.leasesLost === 0;
  const isEnded = report.removal.results === options.tasks;
  process.exitCode = isSoon && isWhole && isEnded ? 0 : 1;
}

void main();
