/** `llmos completion`: a script that lets a shell complete commands and options. */
import type { Command } from 'commander';
import { Argument } from 'commander';
import type { CommandHost } from '../command-host';
import { terminalOf, withExamples } from '../command-host';
import { SHELLS, completionScript } from '../completion/completion-script';
import type { Shell } from '../completion/completion-script';

export function registerCompletion(program: Command, host: CommandHost): void {
  const command = program
    .command('completion')
    .description('print the completion script of a shell')
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(SHELLS))
    .action((shell: Shell) => terminalOf(host, {}).write(completionScript(shell, program)));
  withExamples(command, [
    'source <(llmos completion bash)',
    'source <(llmos completion zsh)',
    'llmos completion fish | source',
  ]);
}
