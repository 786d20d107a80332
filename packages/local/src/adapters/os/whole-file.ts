import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';

/** Whole or not at all, also where power fails in between. */
export function writeWholeFile(file: string, text: string): void {
  const draft = openSync(`${file}.new`, 'w');
  try {
    writeSync(draft, text);
    fsyncSync(draft);
  } finally {
    closeSync(draft);
  }
  renameSync(`${file}.new`, file);
}
