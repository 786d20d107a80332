/** docs/limits.md lists every bound of the code, with its default, and nothing that is not there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryFolder } from '../support/shared-folder';
import { readLimits } from './limits-table';

const text = readFileSync(join(repositoryFolder, 'docs/limits.md'), 'utf8');

/** `group.name = default` of each table row; a group's name stands in the heading before it. */
function documented(): { readonly key: string; readonly reason: string }[] {
  let group = '';
  return text.split('\n').flatMap((line) => {
    group = /^### .*`([A-Z_]+)`$/.exec(line)?.[1] ?? group;
    const cells = /^\| `(\w+)` +\| (.*?) +\| (.*?) +\|/.exec(line);
    if (group === '' || cells === null) return [];
    const [, name = '', shown = '', reason = ''] = cells;
    return [{ key: `${group === 'BACKOFF' ? name : group}.${name} = ${shown}`, reason }];
  });
}

it('lists every limit with its default', () => {
  const inCode = readLimits().map(({ group, name, shown }) => `${group}.${name} = ${shown}`);
  expect(new Set(documented().map(({ key }) => key))).toEqual(new Set(inCode));
});

it('gives a reason for each', () => {
  expect(documented().filter(({ reason }) => reason.length < 8)).toEqual([]);
});
