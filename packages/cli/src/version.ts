/** The version of this package, as `llmos --version` prints it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRecord } from '@llmos/base';

export function versionText(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8'));
  return isRecord(manifest) ? String(manifest['version']) : 'unknown';
}
