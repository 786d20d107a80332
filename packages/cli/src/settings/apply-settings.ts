/**
 * Where the options of a command come from, in this order: flag, environment variable,
 * configuration file, default. The file is `llmos.config.json` in the working folder, else
 * `llmos/config.json` below $XDG_CONFIG_HOME (or ~/.config).
 *
 * `up` takes its NATS server from the flag only: a variable that names a system to talk to must
 * not make a laptop join it.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { quoteShort } from '@llmos/base';
import type { Environment } from '../connection';
import { UsageError } from '../usage-error';
import type { ConfigValues, SettingName } from './config-file';
import { SETTINGS, SETTING_NAMES, parseConfigFile } from './config-file';

export interface SettingSources {
  readonly env: Environment;
  readonly folder: string;
}

/** Fills in what no flag said. Throws a UsageError that names the source of a bad value. */
export function applySettings(command: Command, sources: SettingSources): void {
  const file = readConfig(sources);
  for (const name of SETTING_NAMES) {
    const isGiven = command.getOptionValueSource(name) === 'cli';
    if (isGiven || (name === 'nats' && command.name() === 'up')) continue;
    const found = valueOf(name, sources, file);
    if (found !== undefined) setOption(command, name, found);
  }
}

interface FoundValue {
  readonly text: string;
  /** For messages. */
  readonly source: string;
}

interface ConfigFile {
  readonly path: string;
  readonly values: ConfigValues;
}

function valueOf(
  name: SettingName,
  sources: SettingSources,
  file: ConfigFile | undefined,
): FoundValue | undefined {
  const { variable, kind } = SETTINGS[name];
  const fromEnv = sources.env[variable]?.trim() ?? '';
  if (fromEnv !== '') return { text: fromEnv, source: variable };
  const text = file?.values[name];
  if (file === undefined || text === undefined) return undefined;
  // A folder is meant as seen from the file that names it.
  const value = kind === 'folder' ? resolve(dirname(file.path), text) : text;
  return { text: value, source: `${name} of ${file.path}` };
}

function setOption(command: Command, name: SettingName, found: FoundValue): void {
  const option = command.options.find((each) => each.attributeName() === name && !each.negate);
  if (option === undefined) return;
  let value: unknown = found.text;
  try {
    if (option.parseArg !== undefined) value = option.parseArg(found.text, undefined);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new UsageError(`${found.source} is ${quoteShort(found.text)}: ${error.message}`);
  }
  command.setOptionValueWithSource(name, value, 'config');
}

/** The first file that is there; undefined where none is. */
export function readConfig(sources: SettingSources): ConfigFile | undefined {
  for (const path of configPaths(sources)) {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      const reason = error instanceof Error ? error.message : String(error);
      throw new UsageError(`the configuration file can't be read: ${reason}`);
    }
    return { path, values: parseConfigFile(text, path) };
  }
  return undefined;
}

function configPaths({ env, folder }: SettingSources): string[] {
  const given = env['XDG_CONFIG_HOME'] ?? '';
  const home = given === '' ? join(env['HOME'] ?? homedir(), '.config') : given;
  return [join(folder, 'llmos.config.json'), join(home, 'llmos', 'config.json')];
}
