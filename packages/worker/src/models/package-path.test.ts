import { assertPackageFiles, checkPackagePath } from './package-path';

const SHA = 'a'.repeat(64);
const files = (...paths: string[]) => paths.map((path) => ({ path, sha256: SHA, bytes: 1 }));

describe('paths of a model package', () => {
  it.each(['config.json', 'onnx/model.onnx', 'onnx/model.onnx_data', 'a/b/c.d-e_f', '..a/b..'])(
    'may be %s',
    (path) => expect(checkPackagePath(path)).toBeUndefined(),
  );

  it.each([
    '',
    '/etc/passwd',
    '../x',
    'a/../../x',
    'a/./b',
    'a//b',
    'a/',
    'a\\b',
    'C:x',
    'a\nb',
    'a\u0000b',
    'x'.repeat(600),
  ])('may not be %j', (path) => expect(checkPackagePath(path)).toBeDefined());

  it('are each a file, once', () => {
    expect(() => assertPackageFiles(files('a', 'b/c'))).not.toThrow();
    expect(() => assertPackageFiles(files('a', 'A'))).toThrow('occurs twice');
    expect(() => assertPackageFiles(files('a', 'a/b'))).toThrow('a file and a folder');
    expect(() => assertPackageFiles([])).toThrow('1 to 2000 files');
    expect(() => assertPackageFiles([{ path: 'a', sha256: 'zz', bytes: 1 }])).toThrow('sha256');
    expect(() => assertPackageFiles([{ path: 'a', sha256: SHA, bytes: -1 }])).toThrow('-1 bytes');
  });
});
