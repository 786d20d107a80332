/** `submit`, `result`, `cancel`: work that outlives the command that asked for it. */
import type { Command } from 'commander';
import type { CommandHost, SystemUse } from '../command-host';
import { systemCommand, useSystem, withExamples } from '../command-host';
import type { CommonOptions } from '../connection';
import { readTaskInput } from '../task-input';
import { show } from './run';
import { integer } from '../option-values';
import type { TaskCommandOptions } from './task-options';
import { assertStreams, taskOptionsOf, withTaskOptions } from './task-options';

interface SubmitOptions extends TaskCommandOptions {
  readonly wait?: boolean;
  readonly stream?: boolean;
}

interface WaitOptions extends CommonOptions {
  readonly timeoutMs?: number;
}

export function registerTasks(program: Command, host: CommandHost): void {
  const submitCommand = withTaskOptions(systemCommand(program, 'submit <function> [input]'))
    .description('submit a task and print its id; the task is stored before the id is printed')
    .option('--wait', 'wait for its result and print that instead')
    .option('--stream', 'store a generation as it comes, for `llmos attach`')
    .action((name: string, argument: string | undefined, options: SubmitOptions) =>
      submit({ name, argument, options }, host),
    );
  withExamples(submitCommand, [
    'llmos submit classify "Where is my card?" --model support-intents --class batch',
    'llmos result "$(llmos submit echo 1)"',
  ]);

  systemCommand(program, 'result <task>')
    .description('wait for the result of a task and print it')
    .option('--timeout-ms <ms>', 'wait no longer than this', integer(1, 43_200_000))
    .action((id: string, options: WaitOptions) =>
      useSystem(host, options, async (use) => {
        const { timeoutMs } = options;
        const wait = { signal: host.signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
        show(use, '', await use.client.task(id).result(wait));
      }),
    );

  systemCommand(program, 'cancel <task>')
    .description('cancel a task, queued or running')
    .action((id: string, options: CommonOptions) =>
      useSystem(host, options, async (use) => {
        const isCancelled = await use.client.task(id).cancel({ signal: host.signal });
        if (use.terminal.isJson) use.terminal.json({ task: id, cancelled: isCancelled });
        else use.terminal.line(isCancelled ? 'cancelled' : 'it had ended before');
      }),
    );
}

async function submit(
  of: {
    readonly name: string;
    readonly argument: string | undefined;
    readonly options: SubmitOptions;
  },
  host: CommandHost,
): Promise<void> {
  const { name, argument, options } = of;
  if (options.stream === true) assertStreams(name);
  const { readStdin } = host;
  const input = await readTaskInput({
    function: name,
    argument,
    model: options.model,
    readStdin,
  });
  await useSystem(host, options, async (use: SystemUse) => {
    const task = await use.client.submit(name, input, {
      ...taskOptionsOf(options),
      ...(options.stream === true ? { stream: true } : {}),
      signal: host.signal,
    });
    if (options.wait === true) return show(use, name, await task.result({ signal: host.signal }));
    if (use.terminal.isJson) use.terminal.json({ task: task.id, duplicate: task.isDuplicate });
    else use.terminal.line(task.id);
  });
}
