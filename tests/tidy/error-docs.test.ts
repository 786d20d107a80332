/** docs/errors.md tells the truth: every code, its default, and messages that exist. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERROR_CODES, ERROR_TRAITS } from '@llmos/base';
import { repositoryFolder } from '../support/shared-folder';
import { filesBelow } from './source-files';

const page = readFileSync(join(repositoryFolder, 'docs', 'errors.md'), 'utf8');
const [overview = '', ...sections] = page.split(/^## /m);
const names = sections.map((section) => section.slice(0, section.indexOf('\n')));

it('has a section for every code, and for nothing else', () => {
  expect([...names].sort()).toEqual([...ERROR_CODES].sort());
});

it.each(ERROR_CODES)('says of %s whether it is usually retryable, and its statuses', (code) => {
  const row = new RegExp(`^\\| \`${code}\` +\\| (\\w+) +\\| (\\d+) +\\| (\\d+) +\\|`, 'm').exec(
    overview,
  );
  const { isRetryable, httpStatus, grpcStatus } = ERROR_TRAITS[code];
  const said = [isRetryable ? 'yes' : 'no', String(httpStatus), String(grpcStatus)];
  expect(row?.slice(1)).toEqual(said);
});

it.each(names.map((name, index) => [name, sections[index] ?? '']))(
  'says what to do about %s',
  (_, section) => expect(section).toContain('**Do**: '),
);

it('quotes only messages that the programs have', () => {
  // Literals that are joined over two lines count as one.
  const sources = filesBelow('packages', ['.ts'])
    .filter(({ path }) => !path.endsWith('.test.ts'))
    .map(({ text }) => text.replace(/['`] \+\s+['`]/g, ''))
    .join('\n');
  const quotes = [...page.matchAll(/^- Says ((?:`[^`]+`(?:, )?)+):/gm)].flatMap(([, list = '']) =>
    [...list.matchAll(/`([^`]+)`/g)].map(([, quote = '']) => quote),
  );
  expect(quotes.length).toBeGreaterThan(ERROR_CODES.length);
  expect(quotes.filter((quote) => !sources.includes(quote))).toEqual([]);
});
