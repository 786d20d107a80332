/**
 * What ONNX Runtime and the GPU drivers offer. Tried in a child process, because a driver that
 * breaks takes its process with it.
 */
import { isRecord } from '@llmos/base';
import type { DeviceProbe, Gpu } from '../../agent/device-choice';
import { AGENT_LIMITS } from '../../limits';
import { onnxEnvironment } from './onnx-environment';
import { runProgram } from './run-program';

/** @param probeEntry program that prints one line of JSON with what it found. */
export async function probeDevices(probeEntry: string, signal?: AbortSignal): Promise<DeviceProbe> {
  const outcome = await runProgram({
    file: process.execPath,
    args: [probeEntry],
    env: onnxEnvironment(),
    limitMs: AGENT_LIMITS.deviceProbeMs,
    maxOutputBytes: AGENT_LIMITS.maxProbeOutputBytes,
    ...(signal === undefined ? {} : { signal }),
  });
  if (outcome.kind === 'failed') return withoutGpu(`the device probe failed: ${outcome.reason}`);
  return parseDeviceProbe(outcome.stdout) ?? withoutGpu('the device probe gave no answer');
}

function withoutGpu(reason: string): DeviceProbe {
  return { providers: ['cpu'], webgpu: { available: false, reason }, versions: {} };
}

/** @param text the probe's output; its last line counts, drivers may write before it. */
export function parseDeviceProbe(text: string): DeviceProbe | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text.trim().split('\n').at(-1) ?? '');
  } catch {
    return undefined;
  }
  if (!isRecord(value) || !Array.isArray(value['providers'])) return undefined;
  const providers = value['providers'].filter((name) => typeof name === 'string');
  return { providers, webgpu: readWebgpu(value['webgpu']), versions: texts(value['versions']) };
}

function readWebgpu(value: unknown): DeviceProbe['webgpu'] {
  if (!isRecord(value) || value['available'] !== true) {
    const reason = isRecord(value) ? value['reason'] : undefined;
    return {
      available: false,
      reason: typeof reason === 'string' ? reason : 'no GPU driver answers',
    };
  }
  const { name, memoryBytes } = value;
  return {
    available: true,
    name: typeof name === 'string' ? name.slice(0, 200) : '',
    ...(typeof memoryBytes === 'number' && memoryBytes > 0 ? { memoryBytes } : {}),
  };
}

function texts(value: unknown): Record<string, string> {
  if (!isRecord(value)) return {};
  const entries = Object.entries(value).filter(([, text]) => typeof text === 'string');
  return Object.fromEntries(entries) as Record<string, string>;
}

/** GPUs that `nvidia-smi` lists; none where it is not installed. */
export async function probeGpus(): Promise<readonly Gpu[]> {
  const outcome = await runProgram({
    file: 'nvidia-smi',
    args: ['--query-gpu=index,name,memory.total', '--format=csv,noheader,nounits'],
    limitMs: AGENT_LIMITS.nvidiaSmiMs,
    maxOutputBytes: AGENT_LIMITS.maxProbeOutputBytes,
  });
  return outcome.kind === 'failed' ? [] : parseGpus(outcome.stdout);
}

/** @param text lines `INDEX, NAME, MIB`; others are passed over. */
export function parseGpus(text: string): Gpu[] {
  return text
    .split('\n')
    .map((line) => /^\s*(\d+),\s*(.+?),\s*(\d+)\s*$/.exec(line))
    .filter((match) => match !== null)
    .slice(0, AGENT_LIMITS.maxGpus)
    .map((match) => ({
      index: Number(match[1]),
      name: match[2] ?? '',
      memoryBytes: Number(match[3]) * 1024 * 1024,
    }));
}
