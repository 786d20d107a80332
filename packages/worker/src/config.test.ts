import { parseWorkerConfig } from './config';

describe('worker settings', () => {
  it('have a default for everything', () => {
    expect(parseWorkerConfig({ LLMOS_NODE: 'n1', XDG_CACHE_HOME: '/c' })).toEqual({
      node: 'n1',
      servers: ['nats://127.0.0.1:4222'],
      logLevel: 'info',
      httpHost: '127.0.0.1',
      httpPort: 0,
      device: 'auto',
      cacheFolder: '/c/llmos/packages',
      cacheBytes: 20 * 2 ** 30,
      chunkMs: 2,
      faultClockMs: 0,
      labels: {},
      modelNiceness: 10,
    });
    expect(parseWorkerConfig({}).node).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
  });

  it('are read from the environment', () => {
    const config = parseWorkerConfig({
      LLMOS_SERVERS: 'nats://a:4222, tls://b:4223',
      LLMOS_DEVICE: 'webgpu',
      LLMOS_MEMORY_BYTES: '1000000',
      LLMOS_CHUNK_MS: '0',
      LLMOS_MODEL_NICE: '0',
      LLMOS_LABELS: 'zone=a, gpu.kind=none',
      LLMOS_KERNEL_URL: 'kernel:9000',
    });
    expect(config).toMatchObject({
      servers: ['nats://a:4222', 'tls://b:4223'],
      device: 'webgpu',
      memoryBytes: 1_000_000,
      chunkMs: 0,
      modelNiceness: 0,
      labels: { zone: 'a', 'gpu.kind': 'none' },
      kernelUrl: 'kernel:9000',
    });
  });

  it.each([
    ['LLMOS_NODE', 'a b'],
    ['LLMOS_SERVERS', 'http://x y'],
    ['LLMOS_LOG_LEVEL', 'loud'],
    ['LLMOS_HTTP_PORT', '70000'],
    ['LLMOS_DEVICE', 'tpu'],
    ['LLMOS_CACHE_BYTES', '10GB'],
    ['LLMOS_CHUNK_MS', '1001'],
    ['LLMOS_MEMORY_BYTES', '-1'],
    ['LLMOS_MODEL_NICE', '20'],
    ['LLMOS_MODEL_NICE', '-1'],
    ['LLMOS_LABELS', 'zone'],
    ['LLMOS_KERNEL_URL', 'http://kernel'],
  ])('%s=%s stops the program by name', (name, value) => {
    expect(() => parseWorkerConfig({ [name]: value })).toThrow(name);
  });
});
