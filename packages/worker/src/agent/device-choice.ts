/** Which devices a worker offers, preferred first. Pure; the CPU is always there, last. */

import type { DeviceCapability } from '@llmos/base';

export type DeviceChoice = 'auto' | 'cpu' | 'webgpu' | 'cuda';
export const DEVICE_CHOICES: readonly DeviceChoice[] = ['auto', 'cpu', 'webgpu', 'cuda'];

/** What ONNX Runtime and the drivers say. */
export interface DeviceProbe {
  readonly providers: readonly string[];
  readonly webgpu:
    | { readonly available: false; readonly reason: string }
    | { readonly available: true; readonly name: string; readonly memoryBytes?: number };
  readonly versions: Readonly<Record<string, string>>;
}

/** A GPU that the vendor's tool lists. */
export interface Gpu {
  readonly index: number;
  readonly name: string;
  readonly memoryBytes: number;
}

export interface DeviceFacts {
  readonly choice: DeviceChoice;
  readonly probe: DeviceProbe;
  readonly gpus: readonly Gpu[];
  readonly cpuName: string;
  readonly memoryBytes: number;
}

export interface ChosenDevices {
  readonly devices: readonly DeviceCapability[];
  /** For people: why something that was asked for is not there. */
  readonly warning?: string;
}

export function chooseDevices(facts: DeviceFacts): ChosenDevices {
  const cpu: DeviceCapability = {
    id: 'cpu',
    provider: 'cpu',
    name: facts.cpuName,
    capacityBytes: facts.memoryBytes,
  };
  const cuda = cudaDevices(facts);
  const webgpu = webgpuDevices(facts);
  switch (facts.choice) {
    case 'cpu':
      return { devices: [cpu] };
    case 'cuda':
      if (cuda.length > 0) return { devices: [...cuda, cpu] };
      return { devices: [cpu], warning: `no CUDA device: ${cudaReason(facts)}; using the CPU` };
    case 'webgpu':
      if (webgpu.length > 0) return { devices: [...webgpu, cpu] };
      return { devices: [cpu], warning: `no WebGPU device: ${webgpuReason(facts)}; using the CPU` };
    case 'auto':
      // Both would share one GPU's memory and count it twice.
      if (cuda.length > 0) return { devices: [...cuda, cpu] };
      return { devices: isRealGpu(facts) ? [...webgpu, cpu] : [cpu] };
  }
}

function cudaDevices(facts: DeviceFacts): DeviceCapability[] {
  if (!facts.probe.providers.includes('cuda')) return [];
  return facts.gpus.map((gpu) => ({
    id: `cuda:${gpu.index}`,
    provider: 'cuda' as const,
    name: gpu.name,
    capacityBytes: gpu.memoryBytes,
  }));
}

function webgpuDevices(facts: DeviceFacts): DeviceCapability[] {
  const { webgpu } = facts.probe;
  if (!webgpu.available) return [];
  const gpuBytes = isSoftware(webgpu.name) ? undefined : facts.gpus[0]?.memoryBytes;
  // A GPU without memory of its own shares the machine's: half leaves room for the hosts.
  const capacityBytes = webgpu.memoryBytes ?? gpuBytes ?? Math.floor(facts.memoryBytes / 2);
  const name = webgpu.name === '' ? 'unnamed GPU' : webgpu.name;
  return [{ id: 'webgpu:0', provider: 'webgpu', name, capacityBytes }];
}

/** A driver that computes on the CPU is slower than the CPU provider itself. */
function isRealGpu(facts: DeviceFacts): boolean {
  const { webgpu } = facts.probe;
  if (!webgpu.available || isSoftware(webgpu.name)) return false;
  return webgpu.name !== '' || facts.gpus.length > 0;
}

function isSoftware(name: string): boolean {
  return /llvmpipe|lavapipe|swiftshader|software|basic render|\bcpu\b/i.test(name);
}

function cudaReason(facts: DeviceFacts): string {
  if (!facts.probe.providers.includes('cuda')) {
    return `this ONNX Runtime has ${facts.probe.providers.join(', ') || 'no provider'}`;
  }
  return 'nvidia-smi lists no GPU';
}

function webgpuReason(facts: DeviceFacts): string {
  const { webgpu } = facts.probe;
  return webgpu.available ? 'none' : webgpu.reason;
}
