import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { PackageFile } from '@llmos/base';
import type { SystemNotice } from '../../programs/system-notice';
import { holdsExactly, listModelFolders } from './model-folders';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-models-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, text: string): PackageFile {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  const sha256 = createHash('sha256').update(text).digest('hex');
  return { path, sha256, bytes: Buffer.byteLength(text) };
}

describe('a folder of models', () => {
  it('lists the folders that hold a graph, by name', () => {
    write('zebra/onnx/model.onnx', 'z');
    write('ant/model.onnx', 'a');
    write('notes/README.md', 'no model');
    write('README.md', 'no folder');
    const notices: SystemNotice[] = [];
    const found = listModelFolders(folder, (notice) => notices.push(notice));
    expect(found.map((model) => model.name)).toEqual(['ant', 'zebra']);
    expect(notices).toEqual([]);
  });

  it('names what can be no package, and lists the others', () => {
    write('ant/model.onnx', 'a');
    write('my model/model.onnx', 'b');
    write('.cache/model.onnx', 'hidden on purpose');
    symlinkSync(join(folder, 'gone'), join(folder, 'dangling'));
    const notices: SystemNotice[] = [];
    const found = listModelFolders(folder, (notice) => notices.push(notice));
    expect(found.map((model) => model.name)).toEqual(['ant']);
    expect(notices).toEqual([
      {
        kind: 'model-refused',
        name: 'dangling',
        message: expect.stringContaining('a link that leads nowhere') as unknown,
      },
      {
        kind: 'model-refused',
        name: 'my model',
        message: expect.stringContaining('rename the folder') as unknown,
      },
    ]);
  });

  it('throws NOT_FOUND where it does not exist', () => {
    expect(() => listModelFolders(join(folder, 'none'), () => undefined)).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    );
  });

  it('throws FAILED_PRECONDITION where it is no folder that can be read', () => {
    write('file', 'no folder');
    expect(() => listModelFolders(join(folder, 'file'), () => undefined)).toThrow(
      expect.objectContaining({
        code: 'FAILED_PRECONDITION',
        message: `the models folder ${join(folder, 'file')} can’t be read: it is no folder`,
      }),
    );
  });

  it('knows a package that is as registered from one that changed', async () => {
    const files = [write('config.json', '{}'), write('onnx/model.onnx', 'graph')];
    write('.hidden', 'not part of it');
    expect(await holdsExactly(folder, files)).toBe(true);
    write('onnx/model.onnx', 'GRAPH');
    expect(await holdsExactly(folder, files)).toBe(false);
    write('onnx/model.onnx', 'graph');
    write('tokenizer.json', '{}');
    expect(await holdsExactly(folder, files)).toBe(false);
  });
});
