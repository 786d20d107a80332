/** `llmos attach`: follows a streamed generation that was started elsewhere. */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { CommandHost } from '../command-host';
import { SYSTEM_CALL, systemCommand, useSystem, withExamples } from '../command-host';
import type { CommonOptions } from '../connection';
import { safeText } from '../output/table';
import { integer } from '../option-values';

interface AttachCommandOptions extends CommonOptions {
  readonly from: number;
  readonly timeoutMs?: number;
  readonly via: 'stream' | 'kernel';
}

export function registerAttach(program: Command, host: CommandHost): void {
  const command = systemCommand(program, 'attach <task>')
    .description('follow a generation from its start, running or ended; Ctrl-C leaves it running')
    .option(
      '--from <index>',
      'begin with the output token of this index',
      integer(0, 99_999_999),
      0,
    )
    .addOption(
      new Option('--via <way>', 'read the stored stream, or have the leading kernel send it')
        .choices(['stream', 'kernel'])
        .default('stream'),
    )
    .option('--timeout-ms <ms>', 'follow no longer than this', integer(1, 43_200_000))
    .action((id: string, options: AttachCommandOptions) => attach(id, options, host));
  command.addHelpText('after', '\nWith --json, each chunk is one JSON value on a line.');
  withExamples(command, [
    'llmos submit generate "Once upon a time" --model storyteller --stream --id tale',
    'llmos attach tale',
    'llmos attach tale --from 20',
    'llmos attach tale --via kernel',
  ]);
}

function attach(id: string, options: AttachCommandOptions, host: CommandHost): Promise<void> {
  return useSystem(host, options, async ({ client, terminal }) => {
    const { from: fromIndex, timeoutMs, via } = options;
    const task = client.task(id);
    const status = await task.status({ ...SYSTEM_CALL, signal: host.signal });
    if (status.state === 'unknown') {
      terminal.note(`task ${id} is not known, or not yet; waiting for it (Ctrl-C ends)`);
    }
    const stream = task.stream({
      signal: host.signal,
      fromIndex,
      via,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    try {
      for await (const chunk of stream) {
        if (terminal.isJson) terminal.json(chunk);
        else terminal.write(safeText(chunk.text));
      }
    } finally {
      terminal.endLine();
    }
  });
}
