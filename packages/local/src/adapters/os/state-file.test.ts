import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimStateFolder, readRunningSystem } from './state-file';

const URLS = { natsUrl: 'nats://127.0.0.1:4222', kernelUrl: 'http://127.0.0.1:8080' };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-state-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the record of a running system', () => {
  it('is found once the system is ready, and gone once it was released', () => {
    const claim = claimStateFolder(folder);
    expect(readRunningSystem(folder)).toBeUndefined();
    claim.update(URLS);
    expect(readRunningSystem(folder)).toMatchObject({ ...URLS, osPid: process.pid });
    claim.release();
    claim.release();
    expect(readRunningSystem(folder)).toBeUndefined();
  });

  it('keeps a second system out of the same folder, also while the first one starts', () => {
    const claim = claimStateFolder(folder);
    expect(() => claimStateFolder(folder)).toThrow(/already runs from .* --data DIR/);
    claim.update(URLS);
    expect(() => claimStateFolder(folder)).toThrow(/already runs at nats:\/\/127.0.0.1:4222/);
    claim.release();
    claimStateFolder(folder).release();
  });

  it('says which folder can’t be written', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(() => claimStateFolder(join(file, 'state'))).toThrow(
      `the state folder ${join(file, 'state')} can't be written: `,
    );
  });

  it('is ignored where its process is gone', () => {
    claimStateFolder(folder).update(URLS);
    change({ osPid: 2 ** 22 + 1 });
    expect(readRunningSystem(folder)).toBeUndefined();
    claimStateFolder(folder).release();
  });

  it('is ignored where its pid belongs to a later process', () => {
    claimStateFolder(folder).update(URLS);
    change({ startMark: '1' });
    expect(readRunningSystem(folder)).toBeUndefined();
  });

  it.each(['', '{', '[]', '{"version":2}', '{"version":1,"state":"ready","osPid":"x"}'])(
    'is ignored where it holds %j',
    (text) => {
      writeFileSync(join(folder, 'llmos-up.json'), text);
      expect(readRunningSystem(folder)).toBeUndefined();
    },
  );

  function change(fields: Readonly<Record<string, unknown>>): void {
    const file = join(folder, 'llmos-up.json');
    const record = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...record, ...fields }));
  }
});
