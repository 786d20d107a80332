import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { silentLogger } from '@llmos/base';
import { DRAFTS_FOLDER } from './fs-package-disk';
import { bytesOfModel } from './model-bytes';
import { openWeightsFolder } from './weights-folder';

let cache: string;
let packageFolder: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'llmos-cache-'));
  packageFolder = join(cache, 'packages', 'digest');
  mkdirSync(packageFolder, { recursive: true });
});
afterEach(() => rmSync(cache, { recursive: true, force: true }));

const open = (owner = 'n1.p1.1') => openWeightsFolder({ packageFolder, owner, log: silentLogger });

describe('a folder for weights', () => {
  it('lies on the disk of the package, by the name of its owner, until it is removed', () => {
    mkdirSync(join(cache, DRAFTS_FOLDER));
    const weights = open();
    const { folder = '' } = weights;
    expect(dirname(folder)).toBe(join(cache, DRAFTS_FOLDER));
    expect(folder).toContain('n1.p1.1.weights-');
    writeFileSync(join(folder, 'w'), 'x');
    weights.remove();
    weights.remove();
    expect(existsSync(folder)).toBe(false);
  });

  it('is a temporary one beside a package that no cache holds, and each has its own', () => {
    const [one, other] = [open(), open()];
    expect(dirname(one.folder ?? '')).toBe(tmpdir());
    expect(one.folder).not.toBe(other.folder);
    one.remove();
    other.remove();
  });

  it('is none where it can not be made', () => {
    const weights = open(join('no', 'such', 'folder'));
    expect(weights.folder).toBeUndefined();
    weights.remove();
  });
});

it('counts a graph and the weights beside it, no other graph, and 0 where it can’t be read', () => {
  mkdirSync(join(packageFolder, 'onnx'));
  for (const [name, bytes] of [
    ['model.onnx', 10],
    ['model.onnx_data', 100],
    ['model_q4.onnx', 1_000],
  ] as const) {
    writeFileSync(join(packageFolder, 'onnx', name), Buffer.alloc(bytes));
  }
  expect(bytesOfModel(packageFolder, 'onnx/model.onnx')).toBe(110);
  expect(bytesOfModel(packageFolder, 'onnx/absent.onnx')).toBe(0);
  expect(bytesOfModel(join(cache, 'absent'), 'model.onnx')).toBe(0);
});
