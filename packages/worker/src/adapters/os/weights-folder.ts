/** A folder of this OS process for weights that its threads map, while they are loaded. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '@llmos/base';
import { DRAFTS_FOLDER } from './fs-package-disk';

export interface WeightsFolder {
  /** Undefined where none can be made: each thread then keeps its own copy of the weights. */
  readonly folder: string | undefined;
  /** May be called twice. */
  remove(): void;
}

export interface WeightsFolderOptions {
  readonly packageFolder: string;
  /** By whose name the agent finds it, where the process died before it removed it. */
  readonly owner: string;
  readonly log: Logger;
}

/** On the disk of the package, which has room for weights; else in the temporary folder. */
export function openWeightsFolder(options: WeightsFolderOptions): WeightsFolder {
  const { packageFolder, owner, log } = options;
  const drafts = join(packageFolder, '..', '..', DRAFTS_FOLDER);
  try {
    const parent = existsSync(drafts) ? drafts : tmpdir();
    const folder = mkdtempSync(join(parent, `${owner}.weights-`));
    return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
  } catch (thrown) {
    log.warn('weights-not-mapped', { reason: String(thrown) });
    return { folder: undefined, remove: () => undefined };
  }
}
