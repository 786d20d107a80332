/** `llmos bench`: a quick load from this client, with what it took. */
import type { Command } from 'commander';
import { LlmosError } from '@llmos/base';
import { figuresOf, runLoad } from '../bench/load';
import type { Figure } from '../bench/load';
import type { CommandHost, SystemUse } from '../command-host';
import { systemCommand, useSystem, withExamples } from '../command-host';
import { formatTable } from '../output/table';
import { count } from '../output/units';
import { readTaskInput } from '../task-input';
import { integer } from '../option-values';
import type { TaskCommandOptions } from './task-options';
import { taskOptionsOf, withTaskOptions } from './task-options';

interface BenchOptions extends TaskCommandOptions {
  readonly concurrency: number;
  readonly seconds: number;
}

interface Bench {
  readonly name: string;
  readonly argument: string | undefined;
  readonly options: BenchOptions;
}

export function registerBench(program: Command, host: CommandHost): void {
  const command = withTaskOptions(systemCommand(program, 'bench [function] [input]'))
    .description('call a function (default: echo) for a while; print latencies and throughput')
    .option('--concurrency <n>', 'calls under way at once', integer(1, 4_096), 8)
    .option('--seconds <n>', 'how long', integer(1, 86_400), 5)
    .action((name: string | undefined, argument: string | undefined, options: BenchOptions) =>
      bench({ name: name ?? 'echo', argument, options }, host),
    );
  withExamples(command, [
    'llmos bench',
    'llmos bench classify "Where is my card?" --model support-intents --concurrency 32',
    'llmos bench embed "good morning" --model mini-encoder --seconds 10 --json',
  ]);
}

async function bench(of: Bench, host: CommandHost): Promise<void> {
  const { name, options } = of;
  const { model } = options;
  const { readStdin } = host;
  const input = await readTaskInput({ function: name, argument: of.argument, model, readStdin });
  await useSystem(host, options, (use) => measure(use, { ...of, input }, host));
}

async function measure(
  { client, terminal }: SystemUse,
  of: Bench & { readonly input: unknown },
  host: CommandHost,
): Promise<void> {
  const { name, options, input } = of;
  const { concurrency, seconds } = options;
  const { id: _id, ...task } = taskOptionsOf(options);
  const call = (): Promise<unknown> => client.call(name, input, { ...task, signal: host.signal });
  terminal.progress(`the first call of ${name}, which may load its model`);
  await call();
  const { style } = terminal;
  const outcome = await runLoad({
    concurrency,
    durationMs: seconds * 1_000,
    nowMs: () => performance.now(),
    signal: host.signal,
    call,
    onProgress: (share) => terminal.progressBar(share, `${name}, ${concurrency} at once`),
  });
  if (host.signal.aborted) throw new LlmosError('CANCELLED', 'interrupted');
  const figures = figuresOf(outcome);
  if (terminal.isJson) return terminal.json({ figures, errors: outcome.errors });
  terminal.line(
    `${style.bold(name)}, ${count(concurrency, 'caller')}, ${count(seconds, 'second')}`,
  );
  terminal.line(
    formatTable<Figure>(
      [
        { title: 'FIGURE', cell: (row) => row.name },
        { title: 'VALUE', align: 'right', cell: (row) => String(row.value) },
        { title: 'UNIT', cell: (row) => row.unit },
      ],
      figures,
      style,
    ),
  );
  for (const [code, times] of Object.entries(outcome.errors)) {
    terminal.line(style.red(`${code}: ${count(times, 'call')}`));
  }
}
