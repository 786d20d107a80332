/**
 * A whole system of real programs for one test file: a NATS server, a kernel, a worker, a client.
 * Each is handed out, so that a test can kill it with a real signal and start another one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@llmos/sdk';
import type { LlmosClient, ModelRegistration } from '@llmos/sdk';
import { checkPackage } from '@llmos/worker';
import type { TestNatsServer } from './nats-server';
import { startNatsServer } from './nats-server';
import type { TestProgram } from './programs';
import { LONG_LEASES, startKernel, startWorker } from './programs';
import { repositoryFolder } from './shared-folder';
import { waitFor } from './wait-for';

export interface TestSystemOptions {
  /** Beside LONG_LEASES. */
  readonly kernelEnv?: Readonly<Record<string, string>>;
  readonly workerEnv?: Readonly<Record<string, string>>;
  /** Names of shipped models to register. */
  readonly models?: readonly string[];
  readonly tenant?: string;
}

export interface TestSystem {
  readonly nats: TestNatsServer;
  readonly os: LlmosClient;
  /** The programs that run now; `startKernel` and `startWorker` replace them. */
  kernel: TestProgram;
  worker: TestProgram;
  startKernel(env?: Readonly<Record<string, string>>): Promise<TestProgram>;
  startWorker(env?: Readonly<Record<string, string>>): Promise<TestProgram>;
  addModel(name: string, folder: string): Promise<ModelRegistration>;
  /** Another client, closed with the system. */
  connectAs(tenant: string): Promise<LlmosClient>;
  stop(): Promise<void>;
}

/** Of a call: a loaded machine must not fail a test. */
const PATIENT_MS = 180_000;

export function shippedModel(name: string): string {
  return join(repositoryFolder, 'models', name);
}

export async function startTestSystem(options: TestSystemOptions = {}): Promise<TestSystem> {
  const closers: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) {
      await close().catch(() => undefined);
    }
  };
  try {
    return await start(options, closers, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  options: TestSystemOptions,
  closers: (() => Promise<unknown>)[],
  stop: () => Promise<void>,
): Promise<TestSystem> {
  const folder = mkdtempSync(join(tmpdir(), 'llmos-system-'));
  closers.push(() => Promise.resolve(rmSync(folder, { recursive: true, force: true })));
  const nats = await startNatsServer();
  closers.push(() => nats.stop());
  const kernelProgram = async (env = options.kernelEnv ?? {}): Promise<TestProgram> => {
    const own = { LLMOS_SERVERS: nats.url, ...LONG_LEASES };
    const program = await startKernel({ env: { ...own, ...env } });
    closers.push(() => program.stop());
    return program;
  };
  const workerProgram = async (env = options.workerEnv ?? {}): Promise<TestProgram> => {
    const own = { LLMOS_SERVERS: nats.url, LLMOS_NODE: 'node-1', LLMOS_CACHE_DIR: folder };
    const program = await startWorker({ env: { ...own, ...env } });
    closers.push(() => program.stop());
    return program;
  };
  const connectAs = async (tenant: string): Promise<LlmosClient> => {
    const client = await connect({ servers: nats.url, tenant, timeoutMs: PATIENT_MS });
    closers.push(() => client.close());
    return client;
  };
  const kernel = await kernelProgram();
  const worker = await workerProgram();
  const os = await connectAs(options.tenant ?? 'default');
  const operator = await connectAs('operator');
  const addModel = async (name: string, path: string): Promise<ModelRegistration> => {
    const description = await checkPackage(path);
    return (await operator.addModel({ name, folder: path, description })).model;
  };
  for (const name of options.models ?? []) await addModel(name, shippedModel(name));
  await waitFor(async () => (await os.nodes()).some((row) => row.state === 'alive'), {
    what: 'a node to be alive',
  });
  const system: TestSystem = {
    nats,
    os,
    kernel,
    worker,
    startKernel: async (env) => (system.kernel = await kernelProgram(env)),
    startWorker: async (env) => (system.worker = await workerProgram(env)),
    addModel,
    connectAs,
    stop,
  };
  return system;
}
