import type { ModelManifest } from '@llmos/base';
import { shapeHost } from './host-shape';

const manifest = (more: Partial<ModelManifest> = {}): ModelManifest => ({
  task: 'embed',
  graph: 'onnx/model.onnx',
  ...more,
});

describe('host shape', () => {
  it('shares the cores between the threads', () => {
    expect(shapeHost(manifest(), 'cpu', 8)).toMatchObject({ threads: 2, intraOpThreads: 4 });
    expect(shapeHost(manifest({ task: 'generate' }), 'cpu', 2)).toMatchObject({
      threads: 1,
      intraOpThreads: 2,
      permits: 32,
      generation: { maxRows: 16 },
    });
    expect(shapeHost(manifest(), 'cpu', 1)).toMatchObject({ threads: 1, intraOpThreads: 1 });
  });

  it('lets only one thread use a GPU, whatever the manifest asks for', () => {
    expect(shapeHost(manifest({ threads: 4 }), 'webgpu:0', 8).threads).toBe(1);
  });

  it('keeps the state of a stateful model in one thread', () => {
    const state = [{ input: 'state', output: 'stateN', dims: [2, 1, 128], type: 'float32' }];
    expect(shapeHost(manifest({ task: 'infer', state }), 'cpu', 8).threads).toBe(1);
  });

  it('follows the manifest within the bound', () => {
    expect(shapeHost(manifest({ threads: 3 }), 'cpu', 8).threads).toBe(3);
    expect(shapeHost(manifest({ threads: 1000 }), 'cpu', 8).threads).toBe(16);
    expect(shapeHost(manifest({ task: 'generate', threads: 4 }), 'cpu', 8).threads).toBe(1);
  });
});
