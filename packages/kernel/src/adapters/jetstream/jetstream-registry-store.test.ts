import type { BucketRow } from '@llmos/wire';
import { modelOf } from '../../core-fixture';
import { checkModelRow, modelsEvent } from './jetstream-registry-store';

const change = (key: string): BucketRow => ({
  key,
  value: new Uint8Array(),
  revision: 1,
  storedWallMs: 0,
});

const rows = new Map([
  ['a/1', modelOf('a')],
  ['b/1', modelOf('b')],
]);

it('shows all rows where they were read, and else the one that changed', () => {
  const all = { kind: 'models-changed', models: [modelOf('a'), modelOf('b')] };
  expect(modelsEvent(rows, undefined)).toEqual(all);
  const one = { kind: 'model-changed', target: 'b@1', model: modelOf('b') };
  expect(modelsEvent(rows, change('b/1'))).toEqual(one);
  const gone = { kind: 'model-changed', target: 'c@1', model: undefined };
  expect(modelsEvent(rows, change('c/1'))).toEqual(gone);
});

it('takes a row under its own key alone', () => {
  const sha256 = '0'.repeat(64);
  const files = [{ path: 'model.onnx', sha256, bytes: 1 }];
  const row = { ...modelOf('a'), digest: sha256, files };
  expect(checkModelRow(row, 'a/1')).toBeUndefined();
  expect(checkModelRow(row, 'b/1')?.message).toContain('a/1');
  expect(checkModelRow({}, 'a/1')).toBeDefined();
});
