/** For tests that need WebGPU: a GPU with a Vulkan driver, or one in software (VK_DRIVER_FILES). */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const PROBE = join(
  ...[__dirname, '..', '..', 'dist', 'adapters', 'onnxruntime', 'device-probe-main.js'],
);

export function hasWebGpu(): boolean {
  const probe = spawnSync(process.execPath, [PROBE], { encoding: 'utf8', timeout: 60_000 });
  const line = probe.stdout?.trim().split('\n').at(-1) ?? '';
  try {
    return (JSON.parse(line) as { webgpu: { available: boolean } }).webgpu.available;
  } catch {
    return false;
  }
}

/** The tests, or one that says that they were skipped. */
export function describeOnWebGpu(name: string, body: () => void): void {
  if (hasWebGpu()) describe(name, body);
  else {
    describe(name, () => {
      it.skip('no Vulkan driver answers on this machine', () => undefined);
    });
  }
}
