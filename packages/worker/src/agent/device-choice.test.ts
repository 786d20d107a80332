import type { DeviceFacts } from './device-choice';
import { chooseDevices } from './device-choice';

const GIB = 2 ** 30;
function facts(more: Partial<DeviceFacts> = {}): DeviceFacts {
  return {
    choice: 'auto',
    probe: {
      providers: ['cpu', 'webgpu'],
      webgpu: { available: false, reason: 'no Vulkan driver' },
      versions: {},
    },
    gpus: [],
    cpuName: 'some CPU',
    memoryBytes: 8 * GIB,
    ...more,
  };
}
const webgpu = (name: string) => ({
  providers: ['cpu', 'webgpu'],
  webgpu: { available: true as const, name },
  versions: {},
});
const ids = (of: DeviceFacts): string[] => chooseDevices(of).devices.map((device) => device.id);

describe('device choice', () => {
  it('is the CPU where nothing else is found', () => {
    expect(chooseDevices(facts())).toEqual({
      devices: [{ id: 'cpu', provider: 'cpu', name: 'some CPU', capacityBytes: 8 * GIB }],
    });
  });

  it('takes a driver that computes on the CPU only when it is asked for', () => {
    const probe = webgpu('llvmpipe (LLVM 15.0.6, 256 bits)');
    expect(ids(facts({ probe }))).toEqual(['cpu']);
    expect(ids(facts({ probe, choice: 'webgpu' }))).toEqual(['webgpu:0', 'cpu']);
  });

  it('prefers a real GPU by itself', () => {
    expect(ids(facts({ probe: webgpu('Some Graphics 770') }))).toEqual(['webgpu:0', 'cpu']);
  });

  it('offers one GPU once, by CUDA where that is there', () => {
    const gpus = [{ index: 1, name: 'Some GPU', memoryBytes: 80 * GIB }];
    const probe = { ...webgpu('Some GPU'), providers: ['cpu', 'webgpu', 'cuda'] };
    expect(ids(facts({ probe, gpus }))).toEqual(['cuda:1', 'cpu']);
    const [first] = chooseDevices(facts({ probe, gpus, choice: 'webgpu' })).devices;
    expect(first).toMatchObject({ id: 'webgpu:0', capacityBytes: 80 * GIB });
  });

  it('falls back to the CPU and says why', () => {
    const none = chooseDevices(facts({ choice: 'webgpu' }));
    expect(none.devices.map((device) => device.id)).toEqual(['cpu']);
    expect(none.warning).toContain('no Vulkan driver');
    expect(chooseDevices(facts({ choice: 'cuda' })).warning).toContain('cpu, webgpu');
    expect(ids(facts({ choice: 'cpu', probe: webgpu('Some GPU') }))).toEqual(['cpu']);
  });
});
