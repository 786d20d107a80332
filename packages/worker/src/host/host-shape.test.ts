import type { ModelManifest } from '@llmos/base';
import { shapeHost } from './host-shape';

const manifest = (more: Partial<ModelManifest> = {}): ModelManifest => ({
  task: 'embed',
  graph: 'onnx/model.onnx',
  ...more,
});

const shape = (of: ModelManifest, device: string, cores: number, modelBytes = 2 ** 30) =>
  shapeHost(of, { device, cores, modelBytes });

describe('host shape', () => {
  it('shares the cores between the threads', () => {
    expect(shape(manifest(), 'cpu', 8)).toMatchObject({ threads: 2, intraOpThreads: 4 });
    expect(shape(manifest({ task: 'generate' }), 'cpu', 2)).toMatchObject({
      threads: 1,
      intraOpThreads: 2,
      permits: 32,
      generation: { maxRows: 16 },
    });
    expect(shape(manifest(), 'cpu', 1)).toMatchObject({ threads: 1, intraOpThreads: 1 });
  });

  it('gives a small decoder as many cores as help it', () => {
    const decoder = manifest({ task: 'generate' });
    const coresOf = (modelBytes: number) => shape(decoder, 'cpu', 8, modelBytes).intraOpThreads;
    expect([0, 5e6, 13e6, 10e9].map(coresOf)).toEqual([1, 1, 2, 8]);
    expect(shape(manifest(), 'cpu', 8, 13e6).intraOpThreads).toBe(4);
  });

  it('lets only one thread use a GPU, whatever the manifest asks for', () => {
    expect(shape(manifest({ threads: 4 }), 'webgpu:0', 8).threads).toBe(1);
  });

  it('keeps the state of a stateful model in one thread', () => {
    const state = [{ input: 'state', output: 'stateN', dims: [2, 1, 128], type: 'float32' }];
    expect(shape(manifest({ task: 'infer', state }), 'cpu', 8).threads).toBe(1);
  });

  it('keeps one more thread for what is quick where another copy of the model is small', () => {
    const has = (of: ModelManifest, device = 'cpu', modelBytes = 11e6) =>
      shape(of, device, 2, modelBytes).hasQuickThread;
    expect(has(manifest())).toBe(true);
    expect(has(manifest({ task: 'infer' }))).toBe(true);
    expect(has(manifest(), 'cpu', 2 ** 27 + 1)).toBe(false);
    expect(has(manifest(), 'webgpu:0')).toBe(false);
    expect(has(manifest({ threads: 2 }))).toBe(false);
    expect(has(manifest({ task: 'generate' }))).toBe(false);
  });

  it('follows the manifest within the bound', () => {
    expect(shape(manifest({ threads: 3 }), 'cpu', 8).threads).toBe(3);
    expect(shape(manifest({ threads: 1000 }), 'cpu', 8).threads).toBe(16);
    expect(shape(manifest({ task: 'generate', threads: 4 }), 'cpu', 8).threads).toBe(1);
  });
});
