/**
 * Composition root of the node agent: probes the machine, attaches to the leading kernel, runs the
 * processes it assigns. It never runs a model itself, and dials out only.
 */
import { randomUUID } from 'node:crypto';
import { cpus, homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Logger, NodeCapabilities, SkippedMessages } from '@llmos/base';
import {
  ServerTime,
  natsListener,
  openListeners,
  settlesWithin,
  systemClock,
  wrongClock,
} from '@llmos/base';
import { closeLink } from '@llmos/wire';
import type { NatsConnection } from '@llmos/wire';
import type { ReadLeaderEpoch } from '@llmos/process';
import { EpochGate, createLeaderEpoch } from '@llmos/process';
import { hostOwner } from './actors/host-protocol';
import { createGrpcKernelLink } from './adapters/grpc/grpc-kernel-link';
import { startHealthServer } from './adapters/http/health-server';
import { openConnection } from './adapters/jetstream/connection';
import { createModelStore } from './adapters/jetstream/jetstream-model-store';
import { watchLeader } from './adapters/jetstream/leader-watch';
import { onnxEnvironment } from './adapters/os/onnx-environment';
import { probeDevices, probeGpus } from './adapters/os/device-probe';
import { boundMemory } from './adapters/os/memory-bound';
import { openPackageDisk, removeDrafts } from './adapters/os/fs-package-disk';
import type { NodeProbe } from './adapters/os/linux-memory-probe';
import { createMemoryProbe } from './adapters/os/linux-memory-probe';
import { systemAlarm } from './adapters/os/system-alarm';
import { createWorkerMetrics } from './adapters/prometheus/worker-metrics';
import { chooseDevices } from './agent/device-choice';
import { growthBytesOf, threadHeapBytesOf } from './host/host-growth';
import { HostSupervisor } from './agent/host-supervisor';
import { KernelSession } from './agent/kernel-session';
import { NodeProcesses } from './agent/node-processes';
import type { WorkerConfig } from './config';
import { AGENT_LIMITS } from './limits';
import { ModelCache } from './models/model-cache';

export interface NodeAgentOptions {
  readonly config: WorkerConfig;
  readonly log: Logger;
  /** Gives up starting. */
  readonly signal: AbortSignal;
}

export interface NodeAgent {
  readonly httpUrl: string;
  /** Resolves if it can't go on: NATS refuses it for good, as where its password was changed. */
  readonly lost: Promise<Error>;
  /** Ends every host, then detaches. Within a bounded time; may be called twice. */
  close(): Promise<void>;
}

/** Resolves once a NATS server answers and the node has started to look for a kernel. */
export async function startNodeAgent(options: NodeAgentOptions): Promise<NodeAgent> {
  const { config, log } = options;
  const probe = createMemoryProbe(
    config.memoryBytes === undefined ? {} : { totalBytes: config.memoryBytes },
  );
  const capabilities = await probeCapabilities(options, probe);
  if (options.signal.aborted) throw new Error('stopped while starting');
  let reconnects = 0;
  const { connection, skipped } = await orAbort(
    openConnection({
      servers: config.servers,
      name: `llmos worker ${config.node}`,
      log,
      onReconnect: () => (reconnects += 1),
    }),
    options.signal,
  );
  try {
    const time = new ServerTime(wrongClock(config.faultClockMs));
    const of = { config, log, probe, capabilities, connection, skipped, time };
    const parts = { ...of, reconnects: () => reconnects };
    return await assemble(parts);
  } catch (thrown) {
    await closeLink(connection);
    throw thrown;
  }
}

interface AgentParts {
  readonly config: WorkerConfig;
  readonly log: Logger;
  readonly probe: NodeProbe;
  readonly capabilities: NodeCapabilities;
  readonly connection: NatsConnection;
  readonly skipped: SkippedMessages;
  readonly reconnects: () => number;
  readonly time: ServerTime;
}

async function assemble(parts: AgentParts): Promise<NodeAgent> {
  const { config, log, probe, capabilities, connection } = parts;
  const supervisor = createSupervisor();
  const processes = await createProcesses(parts, supervisor, (change) =>
    session.processChanged(change),
  );
  const sessionId = randomUUID();
  const readEpoch = await createLeaderEpoch(connection);
  const session: KernelSession = new KernelSession({
    link: createGrpcKernelLink(log),
    processes,
    registration: () => ({
      nodeId: config.node,
      session: sessionId,
      capabilities,
      processes: processes.changes(),
    }),
    beat: () => {
      const { offsetMs } = parts.time.reading();
      return {
        freeMemoryBytes: probe.freeBytes(),
        contexts: processes.contexts(),
        memory: processes.memory(),
        ...(offsetMs === undefined ? {} : { clockOffsetMs: offsetMs }),
      };
    },
    openGate: (events) => new EpochGate({ ...gateOf(log, readEpoch), ...events }),
    alarm: systemAlarm,
    random: Math.random,
    log,
  });
  const metrics = createWorkerMetrics({
    isAttached: () => session.isAttached,
    freeMemoryBytes: () => probe.freeBytes(),
    memoryBytes: () => capabilities.memoryBytes,
    reconnects: parts.reconnects,
    skippedMessages: () => parts.skipped.count,
    clockOffsetMs: () => parts.time.reading().offsetMs,
    processes: () => processes.counts(),
  });
  const health = await startHealthServer({
    host: config.httpHost,
    port: config.httpPort,
    unreadiness: () => (session.isAttached ? undefined : 'not attached to a kernel'),
    metrics: () => metrics.read(),
  });
  const http = { host: config.httpHost, port: Number(new URL(health.url).port) };
  const open = openListeners([
    { name: 'http', ...http, isGuarded: false },
    natsListener(connection),
  ]);
  if (open.length > 0) log.warn('open-to-the-network', { open });
  const watch = followLeader(parts, session);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    watch.close();
    session.leave();
    const limitMs = AGENT_LIMITS.ownStopGraceMs + AGENT_LIMITS.hostExitMs;
    await settlesWithin(processes.close(AGENT_LIMITS.ownStopGraceMs), limitMs);
    supervisor.killAll();
    await session.close();
    await health.close();
    await closeLink(connection);
  };
  return { httpUrl: health.url, lost: lossOf(connection), close: () => (closing ??= close()) };
}

function gateOf(log: Logger, readEpoch: ReadLeaderEpoch) {
  return {
    readEpoch,
    nowMs: () => systemClock.nowMs(),
    wait: delay,
    onUnread: (error: unknown) => log.warn('leader-record-unread', { error }),
  };
}

/** A connection that was closed in order resolves without an error. */
function lossOf(connection: NatsConnection): Promise<Error> {
  return new Promise((resolve) => {
    void connection.closed().then((error) => {
      if (error instanceof Error) resolve(error);
    });
  });
}

function createSupervisor(): HostSupervisor {
  return new HostSupervisor({
    hostEntry: join(__dirname, 'host', 'process-host-main.js'),
    env: withoutSettings(onnxEnvironment()),
    alarm: systemAlarm,
    nowMs: () => systemClock.nowMs(),
    onLine: (pid, line) => process.stderr.write(`[${pid}] ${line}\n`),
  });
}

async function createProcesses(
  parts: AgentParts,
  supervisor: HostSupervisor,
  onChange: ConstructorParameters<typeof NodeProcesses>[0]['onChange'],
): Promise<NodeProcesses> {
  const { config, log, probe, capabilities, connection } = parts;
  const cache = new ModelCache({
    disk: await openPackageDisk({
      folder: config.cacheFolder,
      owner: config.node,
      clock: systemClock,
    }),
    store: await createModelStore(connection, log),
    limitBytes: config.cacheBytes,
    clock: systemClock,
    log,
  });
  return new NodeProcesses({
    startHost: (spec, events) =>
      supervisor.start(spec, {
        ...events,
        ended: (end) => {
          void clearDrafts(parts, hostOwner(spec));
          events.ended(end);
        },
      }),
    acquire: (model, onProgress) => cache.acquire(model, onProgress),
    memory: probe,
    boundMemory: (osPid, task) => {
      const growthBytes = growthBytesOf(task, capabilities.memoryBytes);
      void boundMemory({ osPid, growthBytes }).then((reason) => {
        if (reason !== undefined) log.warn('memory-not-bounded', { osPid, growthBytes, reason });
      });
    },
    alarm: systemAlarm,
    nowMs: () => systemClock.nowMs(),
    host: {
      node: config.node,
      servers: config.servers,
      logLevel: config.logLevel,
      cores: capabilities.cores,
      chunkMs: config.chunkMs,
      modelNiceness: config.modelNiceness,
      faultClockMs: config.faultClockMs,
      threadHeapBytes: threadHeapBytesOf(capabilities.memoryBytes),
    },
    hiddenFolders: [config.cacheFolder, resolve(__dirname, '..', '..', '..'), homedir(), tmpdir()],
    onChange: (change) => {
      const { pid, incarnation, target, report } = change;
      const level = report.kind === 'exited' && report.reason !== 'stopped' ? 'warn' : 'info';
      log[level]('process-changed', { pid, incarnation, target, ...report });
      onChange(change);
    },
  });
}

/** A host that was killed while it loaded leaves its copy of the weights. */
async function clearDrafts({ config, log }: AgentParts, owner: string): Promise<void> {
  try {
    await removeDrafts(config.cacheFolder, owner);
  } catch (thrown) {
    log.warn('drafts-not-removed', { owner, error: thrown });
  }
}

function followLeader(parts: AgentParts, session: KernelSession): { close(): void } {
  const { connection, log, time } = parts;
  const { kernelUrl } = parts.config;
  const watched = { connection, log, time, onSkipped: parts.skipped.note };
  if (kernelUrl === undefined) {
    return watchLeader({ ...watched, onLeader: (leader) => session.follow(leader) });
  }
  session.follow({ url: kernelUrl, epoch: 0 });
  return watchLeader({ ...watched, onLeader: () => undefined });
}

async function probeCapabilities(
  options: NodeAgentOptions,
  probe: NodeProbe,
): Promise<NodeCapabilities> {
  const { config, log, signal } = options;
  const entry = join(__dirname, 'adapters', 'onnxruntime', 'device-probe-main.js');
  const [devices, gpus] = await Promise.all([probeDevices(entry, signal), probeGpus()]);
  const memoryBytes = probe.totalBytes();
  const chosen = chooseDevices({
    choice: config.device,
    probe: devices,
    gpus,
    cpuName: cpus()[0]?.model.trim() ?? process.arch,
    memoryBytes,
  });
  if (chosen.warning !== undefined) log.warn('device-fallback', { reason: chosen.warning });
  const capabilities = {
    cores: probe.cores(),
    memoryBytes,
    devices: chosen.devices,
    providers: devices.providers,
    versions: { node: process.versions.node, ...devices.versions },
    labels: config.labels,
  };
  log.info('node-probed', { ...capabilities });
  return capabilities;
}

/** A developer's settings for this program are not the hosts': they get theirs from the agent. */
function withoutSettings(env: NodeJS.ProcessEnv): Record<string, string> {
  const entries = Object.entries(env).filter(
    ([name, value]) => !name.startsWith('LLMOS_') && value !== undefined,
  );
  return Object.fromEntries(entries) as Record<string, string>;
}

function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new Error('stopped while starting'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject);
  });
}

function delay(waitMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, waitMs).unref());
}
