/** `npm run conformance`: holds any deployment against the wire contract. */
import { parseArgs } from 'node:util';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { readCaseFiles } from './case';
import type { CaseOutcome, ConformanceReport } from './conformance';
import { runConformance } from './conformance';

const HELP = `Holds a deployment against the wire contract of docs/protocol.md.

  npm run conformance -- --nats nats://127.0.0.1:4222
  npm run conformance -- --nats URL --json      one JSON value on stdout
  npm run conformance -- --nats URL --only header   cases whose name or file contains this text

  --tenant NAME   for whom the tasks are; default: conformance
  --help          this text

It speaks plain NATS, without the SDK, and needs the models that ship with llmos: cases of models
that are not registered are skipped. Nothing is changed in the deployment; its tasks and results
stay under the tenant until they are too old.

Exits with 0 where no case failed, with 1 where one did, with 2 where it could not be run.`;

const CONNECT_MS = 10_000;

interface Arguments {
  readonly nats: string;
  readonly tenant: string;
  readonly only: string;
  readonly json: boolean;
}

function readArguments(): Arguments | 'help' {
  const { values } = parseArgs({
    options: {
      nats: { type: 'string', default: process.env['LLMOS_SERVERS'] ?? '' },
      tenant: { type: 'string', default: 'conformance' },
      only: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.nats === '') throw new Error('--nats URL is missing');
  return values;
}

async function main(): Promise<number> {
  const given = readArguments();
  if (given === 'help') {
    console.log(HELP);
    return 0;
  }
  const files = readCaseFiles().map(({ file, cases }) => ({
    file,
    cases: cases.filter((one) => `${file} ${one.name}`.includes(given.only)),
  }));
  if (files.every(({ cases }) => cases.length === 0)) {
    throw new Error(`no case or file has ${JSON.stringify(given.only)} in its name`);
  }
  const connection = await connectTo(given.nats);
  try {
    const { tenant } = given;
    const onOutcome = given.json ? () => undefined : printOutcome;
    const report = await runConformance({ connection, files, tenant, onOutcome });
    const counts = countOf(report);
    if (given.json) console.log(JSON.stringify({ ok: counts.failed === 0, ...counts, ...report }));
    else printSummary(report);
    return counts.failed === 0 ? 0 : 1;
  } finally {
    await connection.close();
  }
}

async function connectTo(servers: string): Promise<NatsConnection> {
  try {
    return await connect({
      servers: servers.split(','),
      timeout: CONNECT_MS,
      name: 'llmos-conformance',
    });
  } catch (error) {
    throw new Error(`no NATS server answers at ${servers}: ${describe(error)}`, { cause: error });
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function countOf(report: ConformanceReport): Record<CaseOutcome['kind'], number> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { kind } of report.outcomes) counts[kind] += 1;
  return counts;
}

function printOutcome(outcome: CaseOutcome): void {
  const subject = `${outcome.file.replace(/\.json$/, '')}: ${outcome.name}`;
  if (outcome.kind === 'passed') console.log(`ok    ${subject}`);
  else if (outcome.kind === 'skipped') console.log(`skip  ${subject} (${outcome.why})`);
  else console.log(`FAIL  ${subject}\n      ${outcome.why}`);
}

function printSummary(report: ConformanceReport): void {
  const { passed, failed, skipped } = countOf(report);
  const { missingModels } = report;
  if (missingModels.length > 0) console.log(`models missing: ${missingModels.join(', ')}`);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(describe(error));
    process.exitCode = 2;
  },
);
