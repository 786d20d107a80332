/** The configuration file of the command: JSON with known keys only, refused by name otherwise. */
import { isRecord, quoteShort } from '@llmos/base';
import { UsageError } from '../usage-error';

/** Key of the file → its environment variable and the kind of its value. */
export const SETTINGS = {
  nats: { variable: 'LLMOS_SERVERS', kind: 'text' },
  tenant: { variable: 'LLMOS_TENANT', kind: 'text' },
  data: { variable: 'LLMOS_DATA_DIR', kind: 'folder' },
  kernels: { variable: 'LLMOS_KERNELS', kind: 'number' },
  workers: { variable: 'LLMOS_WORKERS', kind: 'number' },
  models: { variable: 'LLMOS_MODELS_DIR', kind: 'folder' },
  device: { variable: 'LLMOS_DEVICE', kind: 'text' },
} as const;

export type SettingName = keyof typeof SETTINGS;
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

export type ConfigValues = Readonly<Partial<Record<SettingName, string>>>;

/** Values as texts, as a flag would give them. Throws a UsageError that names file and key. */
export function parseConfigFile(text: string, file: string): ConfigValues {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${file} is not JSON: ${reason}`);
  }
  if (!isRecord(value)) throw new UsageError(`${file} must hold a JSON object`);
  const values: Partial<Record<SettingName, string>> = {};
  for (const [key, entry] of Object.entries(value)) {
    if (!isSettingName(key)) {
      const known = SETTING_NAMES.join(', ');
      throw new UsageError(`${file}: ${quoteShort(key)} is not a setting; those are ${known}`);
    }
    values[key] = settingText(key, entry, file);
  }
  return values;
}

function isSettingName(key: string): key is SettingName {
  return Object.hasOwn(SETTINGS, key);
}

function settingText(key: SettingName, entry: unknown, file: string): string {
  const isNumber = SETTINGS[key].kind === 'number';
  if (isNumber && typeof entry === 'number') return String(entry);
  if (!isNumber && typeof entry === 'string' && entry !== '') return entry;
  const rule = isNumber ? 'a number' : 'a text that is not empty';
  throw new UsageError(`${file}: ${key} is ${quoteShort(entry)}: it must be ${rule}`);
}
