/** `node tests/dist/bench/hostile-tenant-main.js`: the figures of docs/performance.md. */
import { ATTACK_KINDS } from './hostile-messages';
import { benchHostileTenant } from './hostile-tenant';
import { numberOption } from './number-option';

const HELP = `One tenant attacks, another calls at a steady rate; prints JSON, a line for each kind.

  node tests/dist/bench/hostile-tenant-main.js [--kind refused] [--seconds 60] [--phase 30]
                                               [--rate N] [--calls 50] [--attacker-nice N]

--kind: ${ATTACK_KINDS.join(', ')}, or the beginning of several; default: all
--seconds: how long each is attacked in all, in turns with as much quiet; --phase: of one turn
--rate: what the attacker sends in a second (default: 10000, of huge tasks and streams 20);
--calls: what the other tenant calls in a second
--attacker-nice: how far the attacker's own program stands behind all others, 0 (default) to 19: it
  would be another machine, and here takes cores from those that it attacks. (Linux; by \`nice\`, and
  where the system groups programs by session, for that group as well.) All else stays as it is.

Exits with 1 where p99 of the other tenant more than doubled, a call of it failed, or a lease was lost.`;
const MOST_TIMES = 2;
const SLOW_KINDS = /^(huge|readers)/;

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(`${HELP}\n`);
    return;
  }
  const valueOf = (name: string, fallback: number): number => numberOption(args, name, fallback);
  const chosen = args.includes('--kind') ? (args[args.indexOf('--kind') + 1] ?? '') : '';
  for (const kind of ATTACK_KINDS.filter((name) => name.startsWith(chosen))) {
    const report = await benchHostileTenant({
      kind,
      seconds: valueOf('--seconds', 60),
      phaseSeconds: valueOf('--phase', 30),
      perSecond: valueOf('--rate', SLOW_KINDS.test(kind) ? 20 : 10_000),
      victimPerSecond: valueOf('--calls', 50),
      attackerNice: valueOf('--attacker-nice', 0),
      say: (what, fields = {}) => {
        process.stderr.write(`${JSON.stringify({ what, kind, ...fields })}\n`);
      },
    });
    process.stdout.write(`${JSON.stringify(report)}\n`);
    const isFair = Object.values(report.ratios).every((ratio) => ratio <= MOST_TIMES);
    const isWhole = Object.keys(report.failures).length === 0 && report.leaderships === 0;
    if (!isFair || !isWhole) process.exitCode = 1;
  }
}

void main();
