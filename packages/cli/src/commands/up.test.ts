import { resolve } from 'node:path';
import { folderFlag } from './up';

it('says how another command finds a system in a folder of its own, as a shell reads it', () => {
  expect(folderFlag(undefined)).toBe('');
  expect(folderFlag('/srv/llmos-1')).toBe(' --data /srv/llmos-1');
  expect(folderFlag('state')).toBe(` --data ${resolve('state')}`);
  expect(folderFlag("/srv/my state's")).toBe(" --data '/srv/my state'\\''s'");
});
