/**
 * Composition root of the kernel: builds the adapters, starts them in order, stops them in reverse.
 *
 * Every kernel serves `submit` and `call`, watches the registry and answers health. The one that
 * holds the lease also runs an ActiveLeadership: the core and everything that only the leader does.
 */
import { getHeapStatistics } from 'node:v8';
import type { DiskWord, Listener, Logger } from '@llmos/base';
import {
  STREAMS,
  ServerTime,
  formatAddress,
  hashText,
  natsListener,
  openListeners,
  seededRandom,
  systemClock,
  systemTimers,
  wrongClock,
} from '@llmos/base';
import type { JetStreamManager } from '@llmos/wire';
import { GrpcNodeLink } from './adapters/grpc/grpc-node-link';
import { HttpStatusServer } from './adapters/http/http-status-server';
import { PrometheusMetrics } from './adapters/http/prometheus-metrics';
import { openJetStream, refusedAtStart, whileUnavailable } from './adapters/jetstream/connection';
import { JetStreamEventLog } from './adapters/jetstream/jetstream-event-log';
import { JetStreamLeadershipStore } from './adapters/jetstream/jetstream-leadership-store';
import { JetStreamPackageStore } from './adapters/jetstream/jetstream-package-store';
import type { ProcessLinkOptions } from './adapters/jetstream/jetstream-process-link';
import { JetStreamProcessLink } from './adapters/jetstream/jetstream-process-link';
import { JetStreamRegistryStore } from './adapters/jetstream/jetstream-registry-store';
import { JetStreamResultStore } from './adapters/jetstream/jetstream-result-store';
import { JetStreamStoreWatch } from './adapters/jetstream/jetstream-store-watch';
import { JetStreamStreamLink } from './adapters/jetstream/jetstream-stream-link';
import { JetStreamStreamReadings } from './adapters/jetstream/jetstream-stream-readings';
import { JetStreamTaskPublisher } from './adapters/jetstream/jetstream-task-publisher';
import type { KernelConnections } from './adapters/jetstream/kernel-connections';
import { openConnections } from './adapters/jetstream/kernel-connections';
import { ResultReads } from './adapters/jetstream/result-reads';
import { SlowLane } from './adapters/jetstream/slow-lane';
import { JetStreamTaskStream } from './adapters/jetstream/jetstream-task-stream';
import { LossyProcessLink } from './adapters/jetstream/lossy-process-link';
import { NatsCallerLink } from './adapters/jetstream/nats-caller-link';
import { NatsRequestLink } from './adapters/jetstream/nats-request-link';
import { assertPermissions } from './adapters/jetstream/permissions';
import { prepareStores } from './adapters/jetstream/prepare-stores';
import { STORE_NAMES } from './adapters/jetstream/streams';
import { encodeResult, readProtobufBody } from './adapters/protobuf/codec';
import { Closers } from './closers';
import type { KernelConfig } from './config';
import { EDGE_LIMITS } from './edge-limits';
import type { MemoryBudget } from './memory-budget';
import { budgetFor } from './memory-budget';
import { createKernelCore } from './core';
import { KernelProgram } from './kernel-program';
import type { ProcessLink } from './ports/process-link';
import { FairRequests } from './services/fair-requests';
import { ForeignEpochs } from './services/foreign-epochs';
import { PackageCollector } from './services/package-collector';
import { PackageTurns } from './services/package-turns';
import { ModelRegistrar } from './services/model-registration';
import { Registry } from './services/registry';

export interface RunningKernel {
  readonly kernelId: string;
  readonly httpUrl: string;
  readonly grpcUrl: string;
  isLeading(): boolean;
  /** How much room the NATS server's disk has, from whoever started both. */
  tellDisk(word: DiskWord): void;
  /** Releases the lease, so that a standby takes over at once. May be called twice. */
  close(): Promise<void>;
}

/** Rejects with an LlmosError for people where NATS, JetStream, a stream or a port is missing. */
export async function startKernel(config: KernelConfig, log: Logger): Promise<RunningKernel> {
  const closers = new Closers(log);
  try {
    return await compose({ config, log, closers });
  } catch (error) {
    await closers.closeAll();
    throw refusedAtStart(error);
  }
}

/** What the adapters share. */
interface Wire extends KernelConnections {
  readonly config: KernelConfig;
  readonly manager: JetStreamManager;
  readonly log: Logger;
  readonly counters: PrometheusMetrics;
  readonly slowLane: SlowLane;
  readonly budget: MemoryBudget;
  /** What LLMOS_TASKS may hold. */
  readonly taskStoreBytes: number;
  readonly time: ServerTime;
}

async function compose(of: {
  readonly config: KernelConfig;
  readonly log: Logger;
  readonly closers: Closers;
}): Promise<RunningKernel> {
  const { config, log, closers } = of;
  const counters = new PrometheusMetrics();
  const connections = await openConnections({ ...of, counters });
  const { connection } = connections;
  // The one that is idle still.
  await assertPermissions({ connection: connections.leaseConnection, log });
  const waiting = waitingOf(of);
  const manager = await openJetStream(connection, waiting);
  const budgets = await whileUnavailable(waiting, () =>
    prepareStores({ ...config, connection, manager, log }),
  );
  const slowLane = new SlowLane(connection, systemTimers);
  const heapLimitBytes = getHeapStatistics().heap_size_limit;
  const budget = budgetFor(heapLimitBytes, config.bodyCacheBytes);
  log.info('memory-budget', { heapLimitBytes, ...budget });
  const time = serverTimeOf(config, log);
  const taskStoreBytes = budgets.get(STREAMS.tasks) || Infinity;
  const own = { config, manager, log, counters, slowLane, budget, taskStoreBytes, time };
  const wire: Wire = { ...connections, ...own };

  // What listens answers "starting" until there is a program.
  const programs: KernelProgram[] = [];
  const ports = await listen(wire, closers, () => programs[0]);
  const program = await build(wire, closers, ports);
  programs.push(program);
  wire.counters.watch(program.gauges());
  closers.push('kernel', () => program.stop());
  await program.start();
  const { httpUrl, grpcUrl } = ports;
  const { kernelId } = config;
  log.info('kernel-started', { kernelId, httpUrl, grpcUrl, nats: connection.getServer() });
  const open = openListeners([...ports.listeners, natsListener(connection)]);
  if (open.length > 0) log.warn('open-to-the-network', { open });
  return {
    kernelId,
    httpUrl,
    grpcUrl,
    isLeading: () => program.isLeading(),
    tellDisk: (word) => {
      log[word.level === 'ample' ? 'info' : 'warn']('disk-level', {
        level: word.level,
        freeBytes: word.freeBytes,
      });
      program.tellDisk(word);
    },
    close: () => closers.closeAll(),
  };
}

/** How long a start waits for a server that is busy, as when many kernels start at once. */
function waitingOf({ log, config }: { readonly log: Logger; readonly config: KernelConfig }) {
  return { log, waitMs: config.connectWaitMs };
}

interface ListeningPorts {
  readonly httpUrl: string;
  readonly grpcUrl: string;
  readonly nodeLink: GrpcNodeLink;
  readonly listeners: readonly Listener[];
}

async function listen(
  wire: Wire,
  closers: Closers,
  program: () => KernelProgram | undefined,
): Promise<ListeningPorts> {
  const { config, counters, log } = wire;
  const http = new HttpStatusServer({
    readiness: () => program()?.readiness() ?? { isReady: false, state: 'starting' },
    metrics: () => counters.text(),
    metricsType: counters.contentType,
  });
  closers.push('http', () => http.close());
  const listening = await http.listen(config.httpHost, config.httpPort);
  const httpUrl = config.httpUrl ?? listening;
  const nodeLink = new GrpcNodeLink({
    log,
    nodeLeaseMs: config.nodeLeaseMs,
    leaderUrl: () => program()?.leaderUrl() ?? '',
  });
  closers.push('grpc', () => nodeLink.close());
  const grpcPort = await nodeLink.listen(config.grpcHost, config.grpcPort);
  const grpcUrl = config.grpcUrl ?? formatAddress(config.grpcHost, grpcPort);
  const httpPort = Number(new URL(listening).port);
  const listeners: Listener[] = [
    { name: 'http', host: config.httpHost, port: httpPort, isGuarded: false },
    { name: 'grpc', host: config.grpcHost, port: grpcPort, isGuarded: false },
  ];
  return { httpUrl, nodeLink, grpcUrl, listeners };
}

async function openRegistry(
  wire: Wire,
  closers: Closers,
): Promise<{ registry: Registry; registryStore: JetStreamRegistryStore }> {
  const registry = new Registry(wire.log);
  const registryStore = await whileUnavailable(waitingOf(wire), () =>
    JetStreamRegistryStore.open(wire),
  );
  closers.push('registry', () => registryStore.close());
  await registryStore.watchFunctions((functions) => registry.setFunctions(functions));
  await registryStore.watchModels((event) => registry.applyModels(event));
  return { registry, registryStore };
}

async function build(wire: Wire, closers: Closers, ports: ListeningPorts): Promise<KernelProgram> {
  const { config, connection, log } = wire;
  const { taskStoreBytes, time, manager, budget } = wire;
  const { maxHeldTasks, maxHeldBytes, bodyCacheBytes } = budget;
  // Beyond what intake brings even of the most urgent class.
  const maxTasks = maxHeldTasks + EDGE_LIMITS.refusedHeldTasks;
  const wallMs = (): number => time.wallMs();
  const { registry, registryStore } = await openRegistry(wire, closers);
  const publisher = new JetStreamTaskPublisher(connection);
  const packages = new JetStreamPackageStore(manager);
  const turns = new PackageTurns(EDGE_LIMITS.maxAdditions);
  const reads = new ResultReads({ ...wire, nowMs: () => systemClock.nowMs() });
  const foreignEpochs = new ForeignEpochs(wire.counters);
  const leadershipStore = await openLeadership(wire);
  return new KernelProgram({
    self: { kernelId: config.kernelId, httpUrl: ports.httpUrl, grpcUrl: ports.grpcUrl },
    leaseMs: config.leaseMs,
    resultMaxAgeMs: config.resultMaxAgeMs,
    time,
    clock: time.steady,
    timers: systemTimers,
    log,
    counters: wire.counters,
    registry,
    registryStore,
    publisher,
    readProtobuf: readProtobufBody,
    nodeLink: ports.nodeLink,
    results: new JetStreamResultStore({ ...wire, reads }),
    createCore: () => createKernelCore({ ...config, maxTasks, taskStoreBytes }),
    maxHeldTasks,
    maxHeldBytes,
    leadershipStore,
    foreignEpochs,
    requests: fairRequests(wire),
    callerLink: new NatsCallerLink(wire),
    eventLog: new JetStreamEventLog({ ...wire, wallMs }),
    registrar: new ModelRegistrar({ registry, store: registryStore, packages, turns, wallMs }),
    packageCollector: new PackageCollector({
      packages,
      store: registryStore,
      turns,
      graceMs: config.packageGraceMs,
      nowMs: () => systemClock.nowMs(),
      log,
    }),
    processLink: processLinkOf(config, wire),
    streamLink: new JetStreamStreamLink(wire),
    taskStream: new JetStreamTaskStream({
      ...wire,
      reads,
      readEpoch: () => leadershipStore.readEpoch(),
      foreignEpochs,
      bodyCacheBytes,
      encodeResult,
      intake: {
        functionOf: (name) => registry.functionOf(name),
        readProtobuf: readProtobufBody,
        get maxBodyBytes() {
          return publisher.maxBodyBytes();
        },
      },
    }),
    storeWatch: storeWatchOf(wire),
    streams: new JetStreamStreamReadings({ manager, clock: systemClock, log }),
    isConnected: wire.isConnected,
  });
}

function openLeadership(wire: Wire): Promise<JetStreamLeadershipStore> {
  const { leaseConnection, isWorking: mayLead } = wire;
  return JetStreamLeadershipStore.open(leaseConnection, { ...wire, mayLead });
}

function storeWatchOf(wire: Wire): JetStreamStoreWatch {
  const noteMs = wire.config.sequenceNoteMs;
  return new JetStreamStoreWatch({ ...wire, names: STORE_NAMES, noteMs });
}

function fairRequests(wire: Wire): FairRequests {
  const nextTurn = (go: () => void): void => void setImmediate(go);
  return new FairRequests({
    ...wire,
    inner: new NatsRequestLink({ ...wire, connection: wire.requestConnection }),
    limits: EDGE_LIMITS,
    nextTurn,
    later: (go, afterMs) => void setTimeout(go, afterMs),
    clock: systemClock,
  });
}

function serverTimeOf({ faultClockMs }: KernelConfig, log: Logger): ServerTime {
  if (faultClockMs !== 0) log.warn('faults-on', { clockMs: faultClockMs });
  return new ServerTime(wrongClock(faultClockMs));
}

function processLinkOf(config: KernelConfig, wire: ProcessLinkOptions): ProcessLink {
  const inner = new JetStreamProcessLink(wire);
  const { faultDropRate: dropRate, kernelId } = config;
  if (dropRate === 0) return inner;
  wire.log.warn('faults-on', { dropRate });
  const random = seededRandom(hashText(kernelId));
  return new LossyProcessLink({ inner, dropRate, random, counters: wire.counters });
}
