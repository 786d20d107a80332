/** The program that tries each provider, run as it is; tests/e2e/webgpu.test.ts uses the GPU. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

interface Probe {
  readonly providers: readonly string[];
  readonly webgpu: { readonly available: boolean; readonly reason?: string };
  readonly versions: { readonly onnxruntime: string; readonly node: string };
}

const packageFolder = join(__dirname, '..', '..', '..');

function probe(): Probe {
  const program = join(packageFolder, 'dist', 'adapters', 'onnxruntime', 'device-probe-main.js');
  const output = execFileSync(process.execPath, [program], {
    encoding: 'utf8',
    timeout: 60_000,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Probe;
}

const found = probe();
const hasGpu = found.webgpu.available;

describe('the device probe', () => {
  it('names the CPU provider and the versions', () => {
    expect(found.providers).toContain('cpu');
    expect(found.providers.includes('webgpu')).toBe(hasGpu);
    expect(found.versions.onnxruntime).toMatch(/^\d+\.\d+\.\d+/);
    expect(found.versions.node).toBe(process.versions.node);
  });
});
