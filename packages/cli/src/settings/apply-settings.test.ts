import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { integer } from '../option-values';
import { applySettings } from './apply-settings';

let folder: string;
let home: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-config-'));
  home = join(folder, 'home');
  mkdirSync(join(home, 'llmos'), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function optionsOf(args: readonly string[], env: Record<string, string> = {}, name = 'run') {
  const program = new Command().exitOverride();
  const command = program
    .command(name)
    .option('--nats <url>')
    .option('--tenant <name>', '', 'default')
    .option('--workers <n>', '', integer(1, 64), 1)
    .option('--models <dir>')
    .option('--no-models')
    .addOption(new Option('--device <device>').choices(['auto', 'cpu']).default('auto'))
    .action(() => undefined);
  program.hook('preAction', (_, action) =>
    applySettings(action, { env: { XDG_CONFIG_HOME: home, ...env }, folder }),
  );
  program.parse([name, ...args], { from: 'user' });
  return command.opts();
}

function write(file: string, value: unknown): void {
  writeFileSync(join(folder, file), JSON.stringify(value));
}

it('takes a flag before the environment, that before the file, and that before the default', () => {
  expect(optionsOf([])).toMatchObject({ tenant: 'default', workers: 1 });
  write('home/llmos/config.json', { tenant: 'of-home', workers: 5 });
  expect(optionsOf([])).toMatchObject({ tenant: 'of-home', workers: 5 });
  write('llmos.config.json', { tenant: 'of-folder' });
  expect(optionsOf([])).toMatchObject({ tenant: 'of-folder', workers: 1 });
  const env = { LLMOS_TENANT: 'of-env' };
  expect(optionsOf([], env)).toMatchObject({ tenant: 'of-env' });
  expect(optionsOf(['--tenant', 'of-flag'], env)).toMatchObject({ tenant: 'of-flag' });
});

it('reads folders as seen from the file', () => {
  write('home/llmos/config.json', { models: '../my-models' });
  expect(optionsOf([])).toMatchObject({ models: join(home, 'my-models') });
  expect(optionsOf(['--no-models'])).toMatchObject({ models: false });
});

it('lets up join no server that only the environment or a file names', () => {
  write('llmos.config.json', { nats: 'nats://there:4222' });
  const env = { LLMOS_SERVERS: 'nats://elsewhere:4222' };
  expect(optionsOf([])).toMatchObject({ nats: 'nats://there:4222' });
  expect(optionsOf([], env, 'up')['nats']).toBeUndefined();
  expect(optionsOf(['--nats', 'nats://here:1'], env, 'up')).toMatchObject({
    nats: 'nats://here:1',
  });
});

it.each<[unknown, string]>([
  [{ wings: 2 }, '"wings" is not a setting; those are nats, tenant, data'],
  [{ workers: '2' }, 'workers is "2": it must be a number'],
  [{ tenant: '' }, 'tenant is ""'],
  [{ workers: 99 }, 'workers of'],
  [{ device: 'abacus' }, 'Allowed choices are auto, cpu'],
  [[], 'must hold a JSON object'],
])('refuses %j and says what is wrong', (value, message) => {
  write('llmos.config.json', value);
  expect(() => optionsOf([])).toThrow(message);
});

it('refuses a value of the environment by the name of its variable', () => {
  const env = { LLMOS_WORKERS: 'many' };
  expect(() => optionsOf([], env)).toThrow('LLMOS_WORKERS is "many"');
  writeFileSync(join(folder, 'llmos.config.json'), '{');
  expect(() => optionsOf([])).toThrow('llmos.config.json is not JSON');
});
