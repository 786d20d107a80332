import { hideFolders } from './hidden-folders';

it('names what lies in hidden folders relative to the deepest of them', () => {
  const folders = ['/home/ops', '/home/ops/cache/', '/home/ops/cache/packages/ab'];
  const text = "ENOENT, open '/home/ops/cache/packages/ab/onnx/w.bin' (/home/ops/cache/x, /home/ops)";
  expect(hideFolders(text, folders)).toBe("ENOENT, open 'onnx/w.bin' (x, ops)");
});

it('leaves texts alone where a folder is the root, or none', () => {
  expect(hideFolders('node /encoder/layer.0/MatMul', ['/', '', 'relative'])).toBe(
    'node /encoder/layer.0/MatMul',
  );
});
