/** docs/cli.md tells the truth: every command, and every setting by its three names. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createProgram } from './program';
import { SETTINGS } from './settings/config-file';

const page = readFileSync(join(__dirname, '../../../docs/cli.md'), 'utf8');
const program = createProgram({
  out: { write: () => true },
  err: { write: () => true },
  env: {},
  signal: new AbortController().signal,
  readStdin: async () => '',
});
const commands = program.commands.flatMap((command) => [
  command.name(),
  ...command.commands.map((each) => `${command.name()} ${each.name()}`),
]);

it.each(commands)('lists the command %s', (name) => {
  const [command = '', subcommand] = name.split(' ');
  const row = new RegExp(`^\\| .*\`${command}( [^\`]*)?\`.*$`, 'm').exec(page)?.[0] ?? '';
  expect(row).not.toBe('');
  if (subcommand !== undefined) expect(row).toMatch(new RegExp(`[\` ]${subcommand}\``));
});

it.each(Object.entries(SETTINGS))('lists the setting %s', (key, { variable }) => {
  const row = new RegExp(`^\\| \`--${key}\` +\\| \`${variable}\` +\\| \`${key}\` +\\|`, 'm');
  expect(page).toMatch(row);
});

it('names a setting like the option that it is the default of', () => {
  const options = program.commands.flatMap((command) =>
    command.options.map((option) => option.attributeName()),
  );
  expect(options).toEqual(expect.arrayContaining(Object.keys(SETTINGS)));
});
