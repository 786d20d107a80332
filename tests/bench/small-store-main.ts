/** `node tests/dist/bench/small-store-main.js`: the figures of docs/performance.md. */
import { numberOption } from './number-option';
import { benchSmallStore } from './small-store';

const HELP = `Calls echo at full rate on the smallest storage; prints JSON.

  node tests/dist/bench/small-store-main.js [--minutes 30] [--callers 16] [--bytes 8000]
                                            [--storage-mib 64]

--bytes: of each request and answer. Exits with 1 where a call was refused or a stream grew.`;
const MIB = 1024 * 1024;

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(`${HELP}\n`);
    return;
  }
  const valueOf = (name: string, fallback: number): number => numberOption(args, name, fallback);
  const report = await benchSmallStore({
    minutes: valueOf('--minutes', 30),
    callers: valueOf('--callers', 16),
    answerBytes: valueOf('--bytes', 8_000),
    storageBytes: valueOf('--storage-mib', 64) * MIB,
    say: (what, fields) => {
      process.stderr.write(`${JSON.stringify({ what, ...fields })}\n`);
    },
  });
  process.stdout.write(`${JSON.stringify(report)}\n`);
  const isLevel = report.levels.every(({ holds }) => holds);
  const isAnswered = Object.keys(report.refusals).length === 0;
  process.exitCode = isLevel && isAnswered && report.unready === 0 ? 0 : 1;
}

void main();
