/** `llmos results …`: stored results, to make room among them. */
import type { Command } from 'commander';
import type { CommandHost } from '../command-host';
import { systemCommand, useSystem, withExamples } from '../command-host';
import type { CommonOptions } from '../connection';
import { CLI_LIMITS } from '../limits';
import { duration } from '../option-values';
import { count } from '../output/units';

interface PruneCommandOptions extends CommonOptions {
  readonly olderThan: number;
}

export function registerResults(program: Command, host: CommandHost): void {
  const results = program.command('results').description('make room among the stored results');
  const prune = systemCommand(results, 'prune')
    .description('remove the old results of a tenant, read or not')
    .requiredOption('--older-than <time>', 'such as 90s, 15m, 6h; at least 60s', duration)
    .action(({ olderThan, ...options }: PruneCommandOptions) =>
      useSystem(host, options, async ({ client, terminal }) => {
        const { signal } = host;
        const timeoutMs = CLI_LIMITS.pruneMs;
        const { removed } = await client.results.prune({
          olderThanMs: olderThan,
          signal,
          timeoutMs,
        });
        if (terminal.isJson) terminal.json({ removed });
        else terminal.line(`removed ${count(removed, 'result')}`);
      }),
    );
  prune.addHelpText(
    'after',
    '\nA result that is removed can be read no more, and a repeat of its task runs again.',
  );
  withExamples(prune, [
    'llmos results prune --older-than 6h',
    'llmos results prune --older-than 15m --tenant acme',
  ]);
}
