/** `node tests/dist/bench/call-flood-main.js [calls] [ms]`: 101,000 calls in 13 s of one client. */
import { benchCallFlood } from './call-flood';

async function main(): Promise<void> {
  const [calls = '101000', sendMs = '13000'] = process.argv.slice(2);
  const report = await benchCallFlood({ calls: Number(calls), sendMs: Number(sendMs) });
  process.stdout.write(`${JSON.stringify(report)}\n`);
  process.exitCode = report.leasesLost === 0 ? 0 : 1;
}

void main();
