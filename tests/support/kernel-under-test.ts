/** A NATS server and kernels of this checkout, inside the test's own process. */
import { decodeJson, silentLogger } from '@llmos/base';
import { readKernelConfig, startKernel } from '@llmos/kernel';
import type { RunningKernel } from '@llmos/kernel';
import { connect, headers as newHeaders } from 'nats';
import type { JetStreamClient, JetStreamManager, NatsConnection } from 'nats';
import { LONG_LEASES } from './programs';
import { FakeNode } from './fake-node';
import type { FakeNodeOptions } from './fake-node';
import type { NatsServerOptions, TestNatsServer } from './nats-server';
import { PATIENT, startNatsServer } from './nats-server';
import { waitFor } from './wait-for';

export interface KernelBench {
  readonly nats: TestNatsServer;
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  startKernel(env?: Readonly<Record<string, string>>): Promise<RunningKernel>;
  /** Until this kernel answers as the leader. */
  untilLeading(kernel: RunningKernel): Promise<void>;
  startNode(options?: Omit<FakeNodeOptions, 'natsUrl'>): Promise<FakeNode>;
  /** Sends a request and answers its parsed JSON. */
  request(subject: string, body: unknown, options?: RequestOptions): Promise<Answer>;
  stop(): Promise<void>;
}

/** Below the time of a test, so that a request that hangs is named. */
const PATIENT_MS = 60_000;
const INFO = 'llmos.v1.sys.default.info';

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 60 s: generous, because a loaded machine must not fail a test. */
  readonly timeoutMs?: number;
}

/** Loose on purpose: a test says what it expects of it. */
export interface Answer {
  readonly ok: boolean;
  readonly output?: Record<string, unknown>;
  readonly error?: { code: string; message: string; retryable: boolean; details?: object };
}

export async function startKernelBench(options: NatsServerOptions = {}): Promise<KernelBench> {
  const nats = await startNatsServer(options);
  const connection = await connect({ servers: nats.url });
  const closers: (() => Promise<unknown>)[] = [() => nats.stop(), () => connection.close()];
  return {
    nats,
    connection,
    jetstream: connection.jetstream(PATIENT),
    manager: await connection.jetstreamManager(PATIENT),
    startKernel: async (env = {}) => {
      const config = readKernelConfig({
        LLMOS_SERVERS: nats.url,
        ...LONG_LEASES,
        LLMOS_STORAGE_BYTES: String(256 * 1024 * 1024),
        ...env,
      });
      const kernel = await startKernel(config, silentLogger);
      closers.push(() => kernel.close());
      return kernel;
    },
    untilLeading: (kernel) => untilLeading(connection, kernel),
    startNode: async (options = {}) => {
      const node = await FakeNode.start({ natsUrl: nats.url, ...options });
      closers.push(() => node.close());
      return node;
    },
    request: (subject, body, options = {}) => request(connection, { subject, body, ...options }),
    stop: async () => {
      for (const close of closers.reverse()) await close();
    },
  };
}

export async function request(
  connection: NatsConnection,
  of: RequestOptions & { readonly subject: string; readonly body: unknown },
): Promise<Answer> {
  const headers = newHeaders();
  for (const [name, value] of Object.entries(of.headers ?? {})) headers.set(name, value);
  const bytes = of.body instanceof Uint8Array ? of.body : JSON.stringify(of.body);
  const timeout = of.timeoutMs ?? PATIENT_MS;
  const reply = await connection.request(of.subject, bytes, { timeout, headers });
  return decodeJson(reply.data) as Answer;
}

/** A leader that has just begun may not have its subscriptions at the server yet. */
async function untilLeading(connection: NatsConnection, kernel: RunningKernel): Promise<void> {
  const { kernelId } = kernel;
  await waitFor(
    async () => {
      const { output } = await request(connection, { subject: INFO, body: {}, timeoutMs: 5_000 });
      return kernel.isLeading() && output?.['kernel'] === kernelId;
    },
    { what: `kernel ${kernelId} to lead` },
  );
}
