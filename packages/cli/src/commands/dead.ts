/** `llmos dead …`: tasks that were given up, to look at, try again or drop. */
import type { Command } from 'commander';
import type { DeadLetter } from '@llmos/sdk';
import type { CommandHost } from '../command-host';
import { systemCommand, useSystem, withExamples } from '../command-host';
import type { CommonOptions } from '../connection';
import { CLI_LIMITS } from '../limits';
import { formatTable, safeText } from '../output/table';
import type { Style } from '../output/style';
import { show } from './run';

interface RetryOptions extends CommonOptions {
  readonly wait?: boolean;
  readonly drop?: boolean;
}

export function registerDead(program: Command, host: CommandHost): void {
  const dead = program
    .command('dead')
    .description('list, show, retry and drop tasks that were given up');
  systemCommand(dead, 'list')
    .description('list the dead letters, oldest first')
    .action((options: CommonOptions) =>
      useSystem(host, options, async ({ client, terminal }) => {
        const letters = await client.deadLetters.list({ signal: host.signal });
        if (terminal.isJson) terminal.json(letters);
        else terminal.line(formatDead(letters, terminal.style));
      }),
    );
  systemCommand(dead, 'show <task>')
    .description('show why a task was given up, and its input')
    .action((id: string, options: CommonOptions) =>
      useSystem(host, options, async ({ client, terminal }) => {
        const letter = await client.deadLetters.get(id, { signal: host.signal });
        if (terminal.isJson) terminal.json(letter);
        else terminal.line(formatLetter(letter, terminal.style));
      }),
    );
  registerRetry(dead, host);
  systemCommand(dead, 'drop <task...>')
    .description('remove dead letters')
    .action((ids: readonly string[], options: CommonOptions) =>
      useSystem(host, options, async ({ client, terminal }) => {
        for (const id of ids) await client.deadLetters.drop(id, { signal: host.signal });
        if (terminal.isJson) terminal.json({ dropped: ids });
        else terminal.line(`dropped ${ids.join(', ')}`);
      }),
    );
}

function registerRetry(dead: Command, host: CommandHost): void {
  const command = systemCommand(dead, 'retry <task>')
    .description('submit the same input as a new task, whose parent is the dead one')
    .option('--wait', 'wait for its result and print that instead of its id')
    .option('--drop', 'drop the dead letter once the new task is stored')
    .action((id: string, options: RetryOptions) =>
      useSystem(host, options, async (use) => {
        const { client, terminal } = use;
        const { signal } = host;
        const letter = await client.deadLetters.get(id, { signal });
        const task = await client.deadLetters.retry(id, { signal });
        if (options.drop === true) await client.deadLetters.drop(id, { signal });
        if (options.wait === true) return show(use, letter.function, await task.result({ signal }));
        if (terminal.isJson) terminal.json({ task: task.id, parent: id });
        else terminal.line(task.id);
      }),
    );
  withExamples(command, ['llmos dead retry 5f1c0a --wait', 'llmos dead retry 5f1c0a --drop']);
}

function formatDead(letters: readonly DeadLetter[], style: Style): string {
  if (letters.length === 0) return style.dim('no dead letters');
  return formatTable<DeadLetter>(
    [
      { title: 'TASK', cell: (row) => style.bold(row.id) },
      { title: 'FUNCTION', cell: (row) => row.function },
      { title: 'CLASS', cell: (row) => row.class },
      { title: 'GIVEN UP', cell: (row) => timeOf(row) },
      { title: 'ATTEMPTS', align: 'right', cell: (row) => String(row.attempts) },
      { title: 'REASON', cell: (row) => row.reason },
      {
        title: 'LAST ERROR',
        cell: (row) => style.red(row.lastError.slice(0, CLI_LIMITS.shownErrorChars)),
      },
    ],
    letters,
    style,
  );
}

function formatLetter(letter: DeadLetter, style: Style): string {
  const facts: [string, string][] = [
    ['task', letter.id],
    ['function', letter.function],
    ['class', letter.class],
    ['given up', timeOf(letter)],
    ['reason', letter.reason],
    ['attempts', String(letter.attempts)],
    ['error', letter.lastError],
    ['model', letter.model ?? '–'],
    ['history', JSON.stringify(letter.history)],
    ['input', JSON.stringify(letter.input, undefined, 2) ?? '(not JSON)'],
  ];
  return facts.map(([name, value]) => `${style.dim(name.padEnd(9))} ${safeText(value)}`).join('\n');
}

function timeOf(letter: DeadLetter): string {
  return new Date(letter.wallMs).toISOString().slice(0, 19);
}
