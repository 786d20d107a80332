/**
 * Program: tells in one line of JSON which execution providers work on this machine. It tries each
 * with a tiny graph, so it runs in a process of its own: a broken driver may crash or hang it.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { InferenceSession, Tensor, env, listSupportedBackends } from 'onnxruntime-node';
import { tinyGraph } from './tiny-graph';

type Trial = { readonly works: true } | { readonly works: false; readonly reason: string };

async function tryProvider(provider: 'webgpu' | 'cuda'): Promise<Trial> {
  try {
    const session = await InferenceSession.create(tinyGraph(), {
      executionProviders: [provider],
      logSeverityLevel: 4,
    });
    const results = await session.run({ x: new Tensor('float32', Float32Array.of(21), [1]) });
    const [answer] = (results['y'] as Tensor).data as Float32Array;
    await session.release();
    return answer === 42 ? { works: true } : { works: false, reason: `21 + 21 gave ${answer}` };
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return { works: false, reason: shortReason(message) };
  }
}

/** The runtime puts its source line before what it has to say. */
function shortReason(message: string): string {
  const line = message.split('\n')[0] ?? '';
  const said = /\bwas false\. (.*)$/.exec(line)?.[1] ?? line;
  return said.slice(0, 200);
}

/** Variables by which the Vulkan loader is told its drivers. */
const DRIVER_VARIABLES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES'];

/** The runtime does not tell the device's name; where there is no GPU, the driver computes. */
function webgpuName(): string {
  if (hasGpu()) return '';
  const files = DRIVER_VARIABLES.map((name) => process.env[name] ?? '').filter(Boolean);
  const drivers = files.join(':').toLowerCase();
  if (drivers.includes('swiftshader')) return 'SwiftShader (software)';
  if (drivers.includes('lvp') || drivers.includes('lavapipe')) return 'llvmpipe (software)';
  const named = files[0] === undefined ? '' : `, ${basename(files[0]).slice(0, 60)}`;
  return `Vulkan driver (software${named})`;
}

function hasGpu(): boolean {
  if (process.platform !== 'linux') return true;
  if (existsSync('/dev/nvidia0') || existsSync('/dev/dxg')) return true;
  try {
    return readdirSync('/dev/dri').some((name) => name.startsWith('render'));
  } catch {
    return false;
  }
}

async function main(): Promise<void> {
  // A provider that is not there is an answer here, not an error to print.
  env.logLevel = 'fatal';
  const supported = listSupportedBackends().map((backend) => backend.name);
  const trial = async (provider: 'webgpu' | 'cuda'): Promise<Trial> =>
    supported.includes(provider)
      ? tryProvider(provider)
      : { works: false, reason: `this ONNX Runtime has no ${provider}` };
  const cuda = await trial('cuda');
  const webgpu = await trial('webgpu');
  const name = webgpuName();
  const found = {
    providers: ['cpu', ...(webgpu.works ? ['webgpu'] : []), ...(cuda.works ? ['cuda'] : [])],
    webgpu: webgpu.works
      ? { available: true, name, isSoftware: name.includes('software') }
      : { available: false, reason: webgpu.reason },
    versions: { onnxruntime: env.versions.node ?? '', node: process.versions.node },
  };
  process.stdout.write(`\n${JSON.stringify(found)}\n`);
}

void main();
