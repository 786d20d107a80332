import { execFileSync } from 'node:child_process';
import { Command } from 'commander';
import { SHELLS, completionScript } from './completion-script';

const program = new Command('llmos');
program.command('up').description("start; it's all").option('--workers <n>', 'workers: how many');
const model = program.command('model').description('models');
model.command('add').description('add one').option('--name <name>', 'its name');
model.command('list').description('list them');

/** What bash offers for a line whose last word is being typed. */
function complete(line: readonly string[]): string[] {
  const words = line.map((word) => `'${word}'`).join(' ');
  const script = `${completionScript('bash', program)}
COMP_WORDS=(${words}); COMP_CWORD=${line.length - 1}; _llmos; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync('bash', ['--norc', '-c', script], { encoding: 'utf8', cwd: '/' });
  return out.split('\n').filter((word) => word !== '');
}

it('completes commands, subcommands and options in bash', () => {
  expect(complete(['llmos', ''])).toEqual(['up', 'model', '--help']);
  expect(complete(['llmos', 'm'])).toEqual(['model']);
  expect(complete(['llmos', 'up', '--w'])).toEqual(['--workers']);
  expect(complete(['llmos', 'model', ''])).toEqual(['add', 'list', '--help']);
  expect(complete(['llmos', 'model', 'add', 'folder', '--n'])).toEqual(['--name']);
});

it.each(SHELLS)(
  'names every command in the script of %s, and quotes what could break it',
  (shell) => {
    const script = completionScript(shell, program);
    for (const word of ['up', 'model', 'add', 'list', 'workers']) expect(script).toContain(word);
    expect(script).not.toContain("it's");
  },
);
