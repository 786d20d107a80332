/**
 * Composition root of a process host: one OS process per loaded model or built-in program.
 *
 * The main thread talks to NATS, batches and commits; actor threads run the model. Flow: load the
 * threads → open the mailbox → ready. When a thread dies the host leaves, and the kernel recovers.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '@llmos/base';
import { LlmosError, systemClock, wrongClock } from '@llmos/base';
import type { AttemptHandler, RunningProcess } from '@llmos/process';
import { runProcess } from '@llmos/process';
import type { FromHost, HostCounts, HostModel, HostSpec } from './actors/host-protocol';
import { hostOwner } from './actors/host-protocol';
import { ThreadClient } from './actors/thread-client';
import { openConnection } from './adapters/jetstream/connection';
import { openWeightsFolder } from './adapters/os/weights-folder';
import { bytesOfModel } from './adapters/os/model-bytes';
import { systemAlarm } from './adapters/os/system-alarm';
import { BatchDispatcher } from './batch-dispatcher';
import { echoHandler } from './echo-program';
import type { HostShape } from './engine/host-shape';
import { shapeHost } from './engine/host-shape';
import { GenerateDispatcher } from './generate-dispatcher';
import { HostMeter } from './host-meter';
import { HOST_LIMITS } from './limits';

export interface ProcessHostOptions {
  readonly spec: HostSpec;
  readonly log: Logger;
  readonly tell: (message: FromHost) => void;
  /** A thread died: leave now, the memory of this OS process can't be trusted. */
  readonly crash: (message: string) => void;
  /** The actor thread's program; default: this package's own. */
  readonly threadEntry?: string;
}

export interface ProcessHost {
  /** Takes nothing new, finishes what runs within the grace, releases everything. */
  stop(graceMs: number): Promise<void>;
}

/** What runs the attempts: a built-in program inline, or a model in its threads. */
interface Program {
  readonly handler: AttemptHandler;
  readonly permits: number;
  readonly device: string;
  close(): Promise<void>;
}

/** Throws the typed error of a model that can't be loaded. */
export async function startProcessHost(options: ProcessHostOptions): Promise<ProcessHost> {
  const { spec, log, tell } = options;
  const generates = spec.model?.manifest.task === 'generate';
  const meter = new HostMeter(systemClock, { generates });
  const program = await openProgram(options, meter);
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
    handler: meter.measured(program.handler),
    clock: wrongClock(spec.faultClockMs ?? 0),
    log,
    onSkipped: skipped.note,
    onFirstToken: (of) => meter.addFirstToken(of),
  });
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
      await connection.close();
    },
  };
}

function countsOf(
  process: RunningProcess,
  meter: HostMeter,
): Omit<HostCounts, 'skipped' | 'unsent'> {
  const { running, waiting, committed, failed, stopped, preempted } = process.counts();
  const ended = { committed, failed, stopped, preempted };
  return { running: running + waiting, ...ended, ...meter.counts() };
}

async function openProgram(options: ProcessHostOptions, meter: HostMeter): Promise<Program> {
  const { model, target } = options.spec;
  if (model !== undefined) return openModel(options, model, meter);
  if (target !== 'echo') {
    throw new LlmosError('NOT_FOUND', `no built-in program ${target}`);
  }
  return {
    handler: echoHandler,
    permits: HOST_LIMITS.echoPermits,
    device: 'cpu',
    close: async () => undefined,
  };
}

async function openModel(
  options: ProcessHostOptions,
  model: HostModel,
  meter: HostMeter,
): Promise<Program> {
  const { spec, log } = options;
  const cores = Math.max(1, Math.min(spec.cores, availableParallelism()));
  const modelBytes = bytesOfModel(model.packageFolder, model.manifest.graph);
  const shape = shapeHost(model.manifest, { device: spec.device, cores, modelBytes });
  const threads = Array.from(
    { length: shape.threads },
    (_, index) =>
      new ThreadClient({
        name: `${spec.pid}-t${index}`,
        entry: options.threadEntry ?? join(__dirname, 'actors', 'actor-thread.js'),
        alarm: systemAlarm,
        ...(spec.threadHeapBytes === undefined ? {} : { heapBytes: spec.threadHeapBytes }),
        limits: {
          cancelAnswerMs: HOST_LIMITS.cancelAnswerMs,
          stepMs: shape.stepMs,
          closeMs: HOST_LIMITS.threadCloseMs,
        },
        onDeath: options.crash,
        onContexts: (counts) => meter.setContexts(counts),
      }),
  );
  const { packageFolder, manifest } = model;
  const { device } = spec;
  const { intraOpThreads, generation } = shape;
  let provider = device;
  const weights = openWeightsFolder({ packageFolder, owner: hostOwner(spec), log });
  try {
    // One after the other: sessions are built with every core, and memory peaks once.
    for (const thread of threads) {
      const bounds = generation === undefined ? {} : { generation };
      const of = { packageFolder, manifest, device, intraOpThreads, ...bounds };
      const folder = weights.folder === undefined ? {} : { weightsFolder: weights.folder };
      provider = (await thread.load({ ...of, ...folder })).provider;
    }
  } finally {
    // What the threads map stays until they end.
    weights.remove();
  }
  log.info('model-loaded', { threads: threads.length, provider });
  return {
    handler: handlerOf(threads, shape, meter),
    permits: shape.permits,
    device: device.startsWith(provider) ? device : 'cpu',
    close: async () => {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

function handlerOf(
  threads: readonly ThreadClient[],
  shape: HostShape,
  meter: HostMeter,
): AttemptHandler {
  const [thread] = threads;
  const dispatcher =
    shape.generation !== undefined && thread !== undefined
      ? new GenerateDispatcher({ thread, maxOpen: shape.permits, meter })
      : new BatchDispatcher({
          threads,
          bounds: shape.batch,
          meter,
          clock: systemClock,
          alarm: systemAlarm,
        });
  return (attempt) => dispatcher.handle(attempt);
}
