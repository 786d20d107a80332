/** `llmos model quantize`: a smaller variant of a package, compared with the original. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { LlmosError } from '@llmos/base';
import type { QuantizeReport } from '@llmos/worker';
import type { CommandHost } from '../command-host';
import { terminalOf, withExamples } from '../command-host';
import type { Style } from '../output/style';
import { formatTable } from '../output/table';
import { count, formatBytes } from '../output/units';
import { UsageError } from '../usage-error';

interface QuantizeOptions {
  readonly bits: 4 | 8;
  readonly blockSize: number;
  readonly symmetric?: boolean;
  readonly out?: string;
  readonly errorLimit?: number;
  readonly graph?: string;
  readonly json?: boolean;
}

export function registerModelQuantize(model: Command, host: CommandHost): void {
  const command = model
    .command('quantize <folder>')
    .description('write a variant of a model package with weights of 8 or 4 bits')
    .requiredOption('--bits <bits>', '8 or 4', oneOf([8, 4]))
    .option('--block-size <n>', 'weights that share a scale', oneOf([16, 32, 64, 128, 256]), 32)
    .option('--symmetric', 'no zero points: a little smaller, a little less exact')
    .option('--out <dir>', 'a new package there; default: a graph beside the original, _q4 or _q8')
    .option('--error-limit <share>', 'refuse a larger error; default: 0.05 (8), 0.3 (4)', share)
    .option('--graph <path>', 'graph inside the folder, where it holds several')
    .option('--json', 'print one JSON value')
    .action((folder: string, options: QuantizeOptions) => quantize(folder, options, host));
  command.addHelpText(
    'after',
    '\nThe error is how far the outputs are from the original ones on sample inputs, as a share of' +
      '\ntheir length. Where it is over the limit, nothing is written and the exit code is 1.',
  );
  withExamples(command, [
    'llmos model quantize ./storyteller --bits 8 --out ./storyteller-q8',
    'llmos model quantize ./export --bits 4',
    'llmos model add ./export --graph onnx/model_q4.onnx --name export-q4',
  ]);
}

async function quantize(given: string, options: QuantizeOptions, host: CommandHost): Promise<void> {
  const folder = resolve(given);
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new UsageError(`${folder} is not a folder`);
  }
  const terminal = terminalOf(host, options);
  terminal.progress(`reading ${folder}`);
  // Loaded only here: no other command needs it, and it is large.
  const { quantizePackage } = await import('@llmos/worker');
  const { bits, blockSize, symmetric = false, out, errorLimit, graph } = options;
  const report = await quantizePackage(folder, {
    ...{ bits, blockSize, isSymmetric: symmetric, signal: host.signal },
    ...(out === undefined ? {} : { out }),
    ...(errorLimit === undefined ? {} : { errorLimit }),
    ...(graph === undefined ? {} : { graph }),
    onProgress: ({ step, fraction }) =>
      fraction === undefined ? terminal.progress(step) : terminal.progressBar(fraction, step),
  });
  if (host.signal.aborted) throw new LlmosError('CANCELLED', 'interrupted');
  if (terminal.isJson) return terminal.json(report);
  terminal.line(formatReport(report, out !== undefined, terminal.style));
}

function formatReport(report: QuantizeReport, isNewPackage: boolean, style: Style): string {
  const { beforeBytes, afterBytes, speed } = report;
  const saved = Math.round(100 * (1 - afterBytes / beforeBytes));
  const facts: readonly [string, string][] = [
    ['graph', `${report.folder}/${report.graph}`],
    ['size', `${formatBytes(beforeBytes)} → ${formatBytes(afterBytes)} (${saved} % less)`],
    [
      'replaced',
      `${count(report.matrices, 'matrix', 'matrices')} of ${count(report.weights, 'weight')}`,
    ],
    ['error', `${percent(report.error)} (limit ${percent(report.errorLimit)})`],
  ];
  const head = facts.map(([name, value]) => `${style.dim(name.padEnd(8))} ${value}`);
  const table = formatTable<QuantizeReport['speed'][number]>(
    [
      { title: 'BATCH', align: 'right', cell: (row) => String(row.rows) },
      { title: 'BEFORE', align: 'right', cell: (row) => `${row.beforeMs.toFixed(2)} ms` },
      { title: 'AFTER', align: 'right', cell: (row) => `${row.afterMs.toFixed(2)} ms` },
      {
        title: 'SPEED',
        align: 'right',
        cell: (row) => `${(row.beforeMs / row.afterMs).toFixed(2)} ×`,
      },
    ],
    speed,
    style,
  );
  const graph = isNewPackage ? '' : ` --graph ${report.graph} --name <name>`;
  const next = `register it: llmos model add ${report.folder}${graph}`;
  return [head.join('\n'), ...(speed.length === 0 ? [] : [table]), style.dim(next)].join('\n\n');
}

function percent(value: number): string {
  return `${(100 * value).toPrecision(2)} %`;
}

function oneOf<Value extends number>(allowed: readonly Value[]): (text: string) => Value {
  return (text) => {
    const found = allowed.find((value) => String(value) === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`It must be one of ${allowed.join(', ')}.`);
  };
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('It must be a number from 0 to 1.');
}
