/** Texts of a machine for those who only use it: where its files lie is nobody else's business. */

/** Files below the folders are named relative to them; the folders themselves by their last part. */
export function hideFolders(text: string, folders: readonly string[]): string {
  let shown = text;
  // The deepest first: what lies in a package is named as the package names it.
  for (const folder of [...folders].sort((a, b) => b.length - a.length)) {
    const path = folder.replace(/\/+$/, '');
    // A root would take every slash with it.
    if (!/^\/[^/]+/.test(path)) continue;
    const last = path.slice(path.lastIndexOf('/') + 1);
    shown = shown.replaceAll(`${path}/`, '').replaceAll(path, last);
  }
  return shown;
}

/** The same without call stacks, whose lines name files of this program. */
export function hideSources(text: string, folders: readonly string[]): string {
  const lines = text.split('\n').filter((line) => !/^\s+at .*\S$/.test(line));
  return hideFolders(lines.join('\n'), folders);
}
