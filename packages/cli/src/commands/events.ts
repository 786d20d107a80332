/** `llmos events`: what became of tasks, processes, nodes and kernels. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { LlmosError } from '@llmos/base';
import type { EventOptions, LifecycleEvent } from '@llmos/sdk';
import type { CommandHost } from '../command-host';
import { systemCommand, useSystem, withExamples } from '../command-host';
import type { CommonOptions } from '../connection';
import { safeLine } from '../output/table';
import type { Style } from '../output/style';
import { integer } from '../option-values';

interface EventCommandOptions extends CommonOptions {
  readonly follow?: boolean;
  readonly last: number;
  readonly entity?: string;
  readonly of?: string;
}

const ENTITIES = ['task', 'process', 'node', 'kernel'] as const;

export function registerEvents(program: Command, host: CommandHost): void {
  const command = systemCommand(program, 'events')
    .description('list lifecycle events; with --json one JSON value a line')
    .option('-f, --follow', 'go on with what happens from now on')
    .option('-n, --last <n>', 'how many of the last events to look at', integer(0, 1_000_000), 100)
    .addOption(new Option('--entity <entity>', 'only of this kind').choices(ENTITIES))
    .option('--of <principal>', 'only of this tenant, or of system')
    .action((options: EventCommandOptions) => events(options, host));
  withExamples(command, ['llmos events', 'llmos events -f --entity process']);
}

function events(options: EventCommandOptions, host: CommandHost): Promise<void> {
  const { signal } = host;
  return useSystem(host, options, async ({ client, terminal }) => {
    const wanted: EventOptions = {
      last: options.last,
      follow: options.follow === true,
      signal,
      ...(options.entity === undefined ? {} : { entity: options.entity }),
      ...(options.of === undefined ? {} : { principal: options.of }),
    };
    try {
      for await (const event of client.events(wanted)) {
        if (terminal.isJson) terminal.json(event);
        else terminal.line(formatEvent(event, terminal.style));
      }
    } catch (error) {
      // Ctrl-C is how following ends.
      const isAsked = error instanceof LlmosError && error.code === 'CANCELLED' && signal.aborted;
      if (!isAsked) throw error;
    }
  });
}

function formatEvent(event: LifecycleEvent, style: Style): string {
  const time = new Date(event.wallMs).toISOString().slice(0, 23);
  const fields = Object.entries(event.fields).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const subject = `${event.entity} ${event.id}`;
  const of = event.principal === 'system' ? '' : style.dim(`(${event.principal})`);
  const parts = [style.dim(time), subject, colorWhat(event.what, style), of, fields.join(' ')];
  return safeLine(parts.filter((part) => part !== '').join('  '));
}

const BAD = new Set(['failed', 'lost', 'refused', 'exited']);
const GOOD = new Set(['completed', 'ready', 'attached', 'revived', 'recovered']);

function colorWhat(what: string, style: Style): string {
  if (BAD.has(what)) return style.red(what);
  return GOOD.has(what) ? style.green(what) : style.yellow(what);
}
