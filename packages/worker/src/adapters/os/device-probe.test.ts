import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDeviceProbe, parseGpus, probeDevices } from './device-probe';

describe('device probe', () => {
  it('reads the last line, whatever a driver wrote before', () => {
    const line = JSON.stringify({
      providers: ['cpu', 'webgpu', 7],
      webgpu: { available: true, name: 'llvmpipe' },
      versions: { onnxruntime: '1.30.0', bad: 1 },
    });
    expect(parseDeviceProbe(`WARNING: driver\n${line}\n`)).toEqual({
      providers: ['cpu', 'webgpu'],
      webgpu: { available: true, name: 'llvmpipe' },
      versions: { onnxruntime: '1.30.0' },
    });
  });

  it('makes nothing of what is not an answer', () => {
    expect(parseDeviceProbe('')).toBeUndefined();
    expect(parseDeviceProbe('{"providers":"cpu"}')).toBeUndefined();
    expect(parseDeviceProbe('{"providers":["cpu"]}')?.webgpu.available).toBe(false);
  });

  it('falls back to the CPU where the probe crashes, and says why', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'llmos-probe-'));
    const entry = join(folder, 'probe.js');
    writeFileSync(entry, 'console.error("driver exploded"); process.exit(3);');
    const found = await probeDevices(entry);
    rmSync(folder, { recursive: true });
    expect(found.providers).toEqual(['cpu']);
    expect(found.webgpu).toMatchObject({
      available: false,
      reason: expect.stringContaining('driver exploded') as string,
    });
  });

  it('reads the list of GPUs', () => {
    expect(parseGpus('0, Some GPU 80GB, 81559\nfailed\n')).toEqual([
      { index: 0, name: 'Some GPU 80GB', memoryBytes: 81559 * 1024 * 1024 },
    ]);
  });
});
