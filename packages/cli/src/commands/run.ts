/** `llmos run`: one function, now, with its output. */
import type { Command } from 'commander';
import type { GenerateInput } from '@llmos/base';
import type { TaskOptions } from '@llmos/sdk';
import type { CommandHost, SystemUse } from '../command-host';
import { SYSTEM_CALL, systemCommand, useSystem, withExamples } from '../command-host';
import { formatOutput } from '../output/function-output';
import { safeText } from '../output/table';
import { whileWaiting } from '../output/waiting';
import { readTaskInput } from '../task-input';
import type { TaskCommandOptions } from './task-options';
import { assertStreams, taskOptionsOf, withTaskOptions } from './task-options';

interface RunOptions extends TaskCommandOptions {
  readonly stream?: boolean;
}

export function registerRun(program: Command, host: CommandHost): void {
  const command = withTaskOptions(systemCommand(program, 'run <function> [input]'))
    .description('run a function and print its output')
    .option('--stream', 'print a generation as it comes')
    .action((name: string, argument: string | undefined, options: RunOptions) =>
      run({ name, argument, options }, host),
    );
  command.addHelpText(
    'after',
    '\nThe input is JSON or, for classify, embed, extract and generate, a text; - reads it from stdin.',
  );
  withExamples(command, [
    'llmos run classify "Where is my card?" --model support-intents',
    `llmos run embed '{"model":"mini-encoder","texts":["a","b"]}' --json`,
    'llmos run generate "Once upon a time" --model storyteller --stream',
    'echo \'{"hello":"world"}\' | llmos run echo -',
  ]);
}

interface Run {
  readonly name: string;
  readonly argument: string | undefined;
  readonly options: RunOptions;
}

async function run(of: Run, host: CommandHost): Promise<void> {
  const { name, options } = of;
  if (options.stream === true) assertStreams(name);
  const { model } = options;
  const { readStdin } = host;
  const input = await readTaskInput({ function: name, argument: of.argument, model, readStdin });
  await useSystem(host, options, async (use) => {
    const task = { ...taskOptionsOf(options), signal: host.signal };
    if (options.stream === true && !use.terminal.isJson) {
      return stream(use, name, { input: input as GenerateInput, task });
    }
    show(use, name, await waitFor(use, name, use.client.call(name, input, task)));
  });
}

function waitFor<T>({ client, terminal }: SystemUse, what: string, work: Promise<T>): Promise<T> {
  const ps = (): ReturnType<typeof client.ps> => client.ps(SYSTEM_CALL);
  return whileWaiting({ terminal, what, ps, nowMs: () => performance.now() }, work);
}

async function stream(
  use: SystemUse,
  name: string,
  of: { readonly input: GenerateInput; readonly task: TaskOptions },
): Promise<void> {
  const { client, terminal } = use;
  const chunks = client.generate.stream(of.input, of.task);
  try {
    const first = await waitFor(use, name, chunks.next());
    if (first.done !== true) terminal.write(safeText(first.value.text));
    for await (const chunk of chunks) terminal.write(safeText(chunk.text));
  } finally {
    terminal.endLine();
  }
}

export function show({ terminal }: SystemUse, name: string, output: unknown): void {
  if (terminal.isJson) terminal.json(output);
  else terminal.line(formatOutput(name, output, terminal.style));
}
