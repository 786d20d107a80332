/**
 * Composition root of a process host: one OS process per loaded model or built-in program.
 *
 * The main thread talks to NATS, batches and commits; actor threads run the model. Flow: load the
 * threads → open the mailbox → ready. When a thread dies the host leaves, and the kernel recovers:
 * at once, or in order where the thread only reached the bound of its memory.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '@llmos/base';
import { LlmosError, builtInTraits, systemClock, wrongClock } from '@llmos/base';
import type { AttemptRunner, RunningProcess } from '@llmos/process';
import { runEach, runProcess } from '@llmos/process';
import { closeLink } from '@llmos/wire';
import type { FromHost, HostCounts, HostModel, HostSpec } from '../actors/host-protocol';
import { hostOwner } from '../actors/host-protocol';
import { ThreadClient } from '../actors/thread-client';
import { openConnection } from '../adapters/jetstream/connection';
import { openWeightsFolder } from '../adapters/os/weights-folder';
import { bytesOfModel } from '../adapters/os/model-bytes';
import { systemAlarm } from '../adapters/os/system-alarm';
import { BatchDispatcher } from './batch-dispatcher';
import { echoHandler } from './echo-program';
import type { HostShape } from './host-shape';
import { shapeHost } from './host-shape';
import { GenerateDispatcher } from './generate-dispatcher';
import { HostMeter } from './host-meter';
import { HOST_LIMITS } from '../limits';

export interface ProcessHostOptions {
  readonly spec: HostSpec;
  readonly log: Logger;
  readonly tell: (message: FromHost) => void;
  /** A thread died: leave now, the memory of this OS process can't be trusted. */
  readonly crash: (message: string) => void;
  /** All that was here has ended or is given back: leave now. */
  readonly leave: (message: string) => void;
  /** The actor thread's program; default: this package's own. */
  readonly threadEntry?: string;
}

export interface ProcessHost {
  /** Takes nothing new, finishes what runs within the grace, releases everything. */
  stop(graceMs: number): Promise<void>;
}

/** What runs the attempts: a built-in program inline, or a model in its threads. */
interface Program {
  readonly runner: AttemptRunner;
  readonly permits: number;
  readonly device: string;
  close(): Promise<void>;
}

/** Throws the typed error of a model that can't be loaded. */
export async function startProcessHost(options: ProcessHostOptions): Promise<ProcessHost> {
  const { spec, log, tell } = options;
  const { model } = spec;
  const streams = model !== undefined && builtInTraits(model.manifest.task).streams;
  const meter = new HostMeter(systemClock, { generates: streams });
  const running: { process?: RunningProcess } = {};
  const onLoss = async (message: string): Promise<void> => {
    log.warn('thread-out-of-memory', { message });
    await running.process?.drain(HOST_LIMITS.leaveMs);
    options.leave(message);
  };
  const program = await openProgram({ ...options, onLoss }, meter);
  const { connection, skipped, unsent } = await openConnection({
    servers: spec.servers,
    name: `llmos ${spec.target} ${spec.pid}`,
    log,
  });
  const process = await runProcess({
    connection,
    node: spec.node,
    pid: spec.pid,
    incarnation: spec.incarnation,
    ...(spec.chunkMs === undefined ? {} : { chunkMs: spec.chunkMs }),
    permits: program.permits,
    runner: program.runner,
    traitsOf: builtInTraits,
    onAnswer: (answer, tookMs) => meter.addAnswer(answer, tookMs),
    clock: wrongClock(spec.faultClockMs ?? 0),
    log,
    onSkipped: skipped.note,
    onFirstToken: (of) => meter.addFirstToken(of),
  });
  running.process = process;
  void connection.closed().then((error) => {
    if (error instanceof Error) options.crash(`the NATS connection closed: ${error.message}`);
  });
  const tellCounts = (): void => {
    const counts = { ...countsOf(process, meter), skipped: skipped.count, unsent: unsent.count };
    tell({ kind: 'counts', counts });
  };
  const counting = setInterval(tellCounts, HOST_LIMITS.countsMs);
  tell({ kind: 'ready', permits: program.permits, device: program.device });
  return {
    stop: async (graceMs) => {
      await process.drain(graceMs);
      process.close();
      clearInterval(counting);
      await program.close();
      await closeLink(connection);
    },
  };
}

function countsOf(
  process: RunningProcess,
  meter: HostMeter,
): Omit<HostCounts, 'skipped' | 'unsent'> {
  const { running, waiting, committed, failed, stopped, preempted } = process.counts();
  const ended = { committed, failed, stopped, preempted };
  return { running: running + waiting, ...ended, ...meter.counts(waiting) };
}

interface ProgramOptions extends ProcessHostOptions {
  /** A thread reached the bound of its memory; what it ran is answered. */
  readonly onLoss: (message: string) => Promise<void>;
}

async function openProgram(options: ProgramOptions, meter: HostMeter): Promise<Program> {
  const { model, target } = options.spec;
  if (model !== undefined) return openModel(options, model, meter);
  if (target !== 'echo') {
    throw new LlmosError('NOT_FOUND', `no built-in program ${target}`);
  }
  return {
    runner: runEach(echoHandler),
    permits: HOST_LIMITS.echoPermits,
    device: 'cpu',
    close: async () => undefined,
  };
}

async function openModel(
  options: ProgramOptions,
  model: HostModel,
  meter: HostMeter,
): Promise<Program> {
  const { spec, log } = options;
  const cores = Math.max(1, Math.min(spec.cores, availableParallelism()));
  const modelBytes = bytesOfModel(model.packageFolder, model.manifest.graph);
  const shape = shapeHost(model.manifest, { device: spec.device, cores, modelBytes });
  const startThread = (name: string): ThreadClient => {
    const thread: ThreadClient = new ThreadClient({
      name: `${spec.pid}-${name}`,
      entry: options.threadEntry ?? join(__dirname, '..', 'actors', 'actor-thread.js'),
      alarm: systemAlarm,
      ...(spec.threadHeapBytes === undefined ? {} : { heapBytes: spec.threadHeapBytes }),
      limits: {
        cancelAnswerMs: HOST_LIMITS.cancelAnswerMs,
        stepMs: shape.stepMs,
        closeMs: HOST_LIMITS.threadCloseMs,
      },
      onDeath: ({ message, heapBytes }) => {
        if (heapBytes === undefined) return options.crash(message);
        dispatcher.loseThread(thread, heapBytes);
        void options.onLoss(message);
      },
      onContexts: (counts) => meter.setContexts(counts),
    });
    return thread;
  };
  const usual = Array.from({ length: shape.threads }, (_, index) => startThread(`t${index}`));
  const quickThread = shape.hasQuickThread ? startThread('quick') : undefined;
  const threads = quickThread === undefined ? usual : [...usual, quickThread];
  const dispatcher = dispatcherOf({ threads: usual, quickThread }, shape, meter);
  const { packageFolder, manifest } = model;
  const { device } = spec;
  const { intraOpThreads, generation } = shape;
  // A thread that keeps a GPU busy is no burden to the others.
  const { modelNiceness: niceness } = spec;
  const isBehind = niceness !== undefined && device === 'cpu';
  let provider = device;
  const weights = openWeightsFolder({ packageFolder, owner: hostOwner(spec), log });
  try {
    // One after the other: sessions are built with every core, and memory peaks once.
    for (const thread of threads) {
      const bounds = generation === undefined ? {} : { generation };
      const of = { packageFolder, manifest, device, intraOpThreads, ...bounds };
      const behind = isBehind && thread !== quickThread ? { niceness } : {};
      const folder = weights.folder === undefined ? {} : { weightsFolder: weights.folder };
      provider = (await thread.load({ ...of, ...folder, ...behind })).provider;
    }
  } finally {
    // What the threads map stays until they end.
    weights.remove();
  }
  log.info('model-loaded', { threads: threads.length, provider });
  return {
    runner: dispatcher,
    permits: shape.permits,
    device: device.startsWith(provider) ? device : 'cpu',
    close: async () => {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

interface Dispatcher extends AttemptRunner {
  loseThread(thread: ThreadClient, heapBytes: number): void;
}

interface HostThreads {
  readonly threads: readonly ThreadClient[];
  readonly quickThread: ThreadClient | undefined;
}

function dispatcherOf(of: HostThreads, shape: HostShape, meter: HostMeter): Dispatcher {
  const { threads, quickThread } = of;
  const [thread] = threads;
  if (shape.generation !== undefined && thread !== undefined) {
    return new GenerateDispatcher({ thread, maxRows: shape.generation.maxRows, meter });
  }
  return new BatchDispatcher({
    threads,
    ...(quickThread === undefined ? {} : { quickThread }),
    bounds: shape.batch,
    meter,
    clock: systemClock,
    alarm: systemAlarm,
  });
}
