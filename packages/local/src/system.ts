/**
 * A whole llmos system on one machine (composition root): a NATS server, kernels, workers, models.
 *
 * Starts in that order and stops in reverse, whether stopped or failed half-way. While it runs, a
 * program that dies is started again. Nothing of it outlives this process: the programs end when
 * their channel to it closes.
 */
import { mkdirSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { LlmosError } from '@llmos/base';
import type { ProgramReady } from '@llmos/base';
import { connect } from '@llmos/sdk';
import type { LlmosClient } from '@llmos/sdk';
import { watchDisk } from './adapters/os/disk-watch';
import type { DiskWatch } from './adapters/os/disk-watch';
import { assertNatsAnswers, startLocalNats } from './adapters/os/local-nats';
import type { LocalNats } from './adapters/os/local-nats';
import { openLocalStorage } from './adapters/os/local-storage';
import type { LocalStorage } from './adapters/os/local-storage';
import { holdsExactly, listModelFolders } from './adapters/os/model-folders';
import { programFiles } from './adapters/os/program-files';
import type { ProgramFiles } from './adapters/os/program-files';
import { trimLog } from './adapters/os/program-log';
import { claimStateFolder } from './adapters/os/state-file';
import { freeBytesOf } from './adapters/os/store-files';
import { SupervisedProgram } from './adapters/os/supervised-program';
import { LOCAL_LIMITS } from './limits';
import { registerModels } from './models/register-models';
import type { ModelFolder, ModelRegistrar } from './models/register-models';
import { assertRoomToStart } from './nats/storage-plan';
import { kernelSettings, portOf, workerSettings } from './programs/program-settings';
import type { DeviceChoice, Settings } from './programs/program-settings';
import { parseProgramReady } from './programs/ready-message';
import type { ReportNotice } from './programs/system-notice';

export interface SystemOptions {
  /** Comma-separated URLs of servers that run already; default: one is started. */
  readonly natsUrl?: string;
  /** Default 1; the others stand by. */
  readonly kernels?: number;
  /** Default 1. */
  readonly workers?: number;
  /** Holds queues, models, logs and caches; one system at a time. */
  readonly dataDir: string;
  /** Every package in it is registered; default: none. */
  readonly modelsDir?: string;
  /** Default `auto`. */
  readonly device?: DeviceChoice;
  /** More settings for every program, such as LLMOS_LOG_LEVEL. */
  readonly settings?: Settings;
  readonly report?: ReportNotice;
  /** Gives the start up; what was started is stopped, and the promise rejects. */
  readonly signal?: AbortSignal;
}

export interface RunningSystem {
  readonly natsUrl: string;
  /** Where the first kernel's health and metrics are. */
  readonly kernelUrl: string;
  /** `name@version` of the packages in the models folder. */
  readonly models: readonly string[];
  /** Operating system pids by program, such as `kernel-1`. */
  osPids(): Readonly<Record<string, number>>;
  /** Stops everything, within a bound; may be called twice. */
  stop(): Promise<void>;
}

type Closer = () => Promise<void> | void;

export async function startSystem(options: SystemOptions): Promise<RunningSystem> {
  const checked = checkOptions(options);
  const closers: Closer[] = [];
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= closeAll(closers));
  // Stopping what is up makes the step that waits for it fail at once.
  const giveUp = (): void => void stop();
  options.signal?.addEventListener('abort', giveUp, { once: true });
  try {
    const system = { ...(await new SystemStart(checked, closers).run()), stop };
    options.signal?.throwIfAborted();
    return system;
  } catch (error) {
    await stop();
    // The failed step may have started something after that.
    await closeAll(closers);
    if (options.signal?.aborted === true) {
      throw new LlmosError('CANCELLED', 'the start was stopped', { cause: error });
    }
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', giveUp);
  }
}

async function closeAll(closers: Closer[]): Promise<void> {
  for (let close = closers.pop(); close !== undefined; close = closers.pop()) {
    await close();
  }
}

type CheckedOptions = SystemOptions & {
  readonly kernels: number;
  readonly workers: number;
  readonly device: DeviceChoice;
  readonly report: ReportNotice;
};

function checkOptions(options: SystemOptions): CheckedOptions {
  const { kernels = 1, workers = 1 } = options;
  const check = (name: string, value: number, most: number): void => {
    if (Number.isInteger(value) && value >= 1 && value <= most) return;
    const rule = `it must be an integer from 1 to ${most}`;
    throw new LlmosError('INVALID_ARGUMENT', `${name} is ${value}: ${rule}`);
  };
  check('the number of kernels', kernels, LOCAL_LIMITS.kernels);
  check('the number of workers', workers, LOCAL_LIMITS.workers);
  const { device = 'auto', report = () => undefined } = options;
  return { ...options, dataDir: resolve(options.dataDir), kernels, workers, device, report };
}

/** The steps of one start; everything started is pushed onto `closers` at once. */
class SystemStart {
  readonly #files: ProgramFiles = programFiles();
  readonly #programs: SupervisedProgram<ProgramReady>[] = [];
  readonly #logFolder: string;
  #disk: DiskWatch | undefined;

  constructor(
    private readonly options: CheckedOptions,
    private readonly closers: Closer[],
  ) {
    this.#logFolder = join(options.dataDir, 'logs');
  }

  async run(): Promise<Omit<RunningSystem, 'stop'>> {
    const { options } = this;
    const { modelsDir } = options;
    // Before anything is started: a wrong folder is a slip of the hand.
    const folders = modelsDir === undefined ? [] : listModelFolders(modelsDir, options.report);
    assertRoomToStart(options.dataDir, freeBytesOf(options.dataDir));
    const claim = claimStateFolder(options.dataDir);
    this.closers.push(() => claim.release());
    mkdirSync(this.#logFolder, { recursive: true });
    this.#keepLogsShort();

    const storage = this.#openStorage();
    const natsUrl = await this.#startNats(storage);
    const kernelUrl = await this.#startKernels(natsUrl, storage);
    storage?.markInUse();
    await this.#startWorkers(natsUrl);
    const models = await this.#prepare(natsUrl, folders);
    claim.update({ natsUrl, kernelUrl });
    this.closers.push(() => options.report({ kind: 'stopping' }));
    const osPids = (): Record<string, number> =>
      Object.fromEntries(this.#programs.map((program) => [program.name, program.osPid]));
    return { natsUrl, kernelUrl, models, osPids };
  }

  /** undefined where the NATS server is someone else's, and so its disk. */
  #openStorage(): LocalStorage | undefined {
    const { natsUrl, dataDir, settings, report } = this.options;
    if (natsUrl !== undefined) return undefined;
    const wanted = settings?.['LLMOS_STORAGE_BYTES'] ?? process.env['LLMOS_STORAGE_BYTES'];
    return openLocalStorage({ folder: dataDir, wanted, report });
  }

  async #startNats(storage: LocalStorage | undefined): Promise<string> {
    const { natsUrl = '', dataDir, report, signal } = this.options;
    if (storage === undefined) {
      await assertNatsAnswers(natsUrl);
      return natsUrl;
    }
    const nats = await startLocalNats({
      dataFolder: dataDir,
      logFolder: this.#logFolder,
      watchdogFile: this.#files.natsWatchdog,
      storage,
      report,
      ...(signal === undefined ? {} : { signal }),
    });
    this.closers.push(() => nats.stop());
    this.#watchDisk(nats);
    return nats.url;
  }

  async #startKernels(servers: string, storage: LocalStorage | undefined): Promise<string> {
    const storageBytes = storage?.plan.streamBytes;
    const names = numbered('kernel', this.options.kernels);
    const ready = await this.#startAll(names, this.#files.kernel, (kernelId, last) =>
      kernelSettings({
        servers,
        kernelId,
        httpPort: portOf(last?.httpUrl ?? ''),
        grpcPort: portOf(last?.grpcUrl ?? ''),
        ...(storageBytes === undefined ? {} : { storageBytes }),
      }),
    );
    return ready[0]?.httpUrl ?? '';
  }

  async #startWorkers(servers: string): Promise<void> {
    const { workers, device, dataDir } = this.options;
    const shared = workers === 1 ? {} : { memoryBytes: Math.floor(usableMemoryBytes() / workers) };
    await this.#startAll(numbered('worker', workers), this.#files.worker, (node, last) =>
      workerSettings({
        servers,
        node,
        device,
        httpPort: portOf(last?.httpUrl ?? ''),
        cacheFolder: join(dataDir, 'cache', node),
        ...shared,
      }),
    );
  }

  async #startAll(
    names: readonly string[],
    file: string,
    settings: (name: string, last: ProgramReady | undefined) => Settings,
  ): Promise<ProgramReady[]> {
    this.options.signal?.throwIfAborted();
    const programs = names.map((name) => this.#program(name, file, settings));
    // Closers run last first: the programs of one kind stop together.
    this.closers.push(async () => {
      await Promise.all(programs.map((program) => program.stop()));
    });
    this.#programs.push(...programs);
    return Promise.all(programs.map((program) => program.start()));
  }

  #program(
    name: string,
    file: string,
    settings: (name: string, last: ProgramReady | undefined) => Settings,
  ): SupervisedProgram<ProgramReady> {
    const spec = {
      name,
      file,
      args: [],
      settings: (last: ProgramReady | undefined) => ({
        ...this.options.settings,
        ...settings(name, last),
      }),
      logFile: join(this.#logFolder, `${name}.log`),
      readyMs: LOCAL_LIMITS.programReadyMs,
      parseReady: parseProgramReady,
    };
    const program = new SupervisedProgram(spec, this.options.report, () => {
      if (this.#disk !== undefined) program.send(this.#disk.word);
    });
    return program;
  }

  #watchDisk(nats: LocalNats): void {
    const { dataDir: folder, report } = this.options;
    const watch = watchDisk({
      folder,
      onChange: (word, before) => {
        report({ ...word, folder });
        for (const program of this.#programs) program.send(word);
        // What a full disk leaves of a server differs: one hangs whole, of another a stream takes
        // nothing more until it is started again.
        if (before === 'full') void nats.renew('its disk was full');
      },
    });
    this.#disk = watch;
    this.closers.push(() => watch.stop());
  }

  /** Waits for the nodes, then registers the models. */
  async #prepare(servers: string, folders: readonly ModelFolder[]): Promise<string[]> {
    const { report, signal, workers } = this.options;
    const client = await connect({ servers, name: 'llmos-up' });
    try {
      await waitForNodes(client, { count: workers, ...(signal === undefined ? {} : { signal }) });
      if (folders.length === 0) return [];
      return await registerModels({
        folders,
        registrar: registrarOf(client, signal),
        report,
        ...(signal === undefined ? {} : { signal }),
      });
    } finally {
      await client.close();
    }
  }

  #keepLogsShort(): void {
    const timer = setInterval(() => {
      for (const program of this.#programs) trimLog(join(this.#logFolder, `${program.name}.log`));
      trimLog(join(this.#logFolder, 'nats-server.log'));
    }, LOCAL_LIMITS.logCheckMs);
    this.closers.push(() => clearInterval(timer));
  }
}

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${index + 1}`);
}

/** A container's limit where there is one, else the machine's memory. */
function usableMemoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}

async function waitForNodes(
  client: LlmosClient,
  of: { readonly count: number; readonly signal?: AbortSignal },
): Promise<void> {
  const endMs = performance.now() + LOCAL_LIMITS.nodesAttachMs;
  let alive = 0;
  while (performance.now() < endMs) {
    of.signal?.throwIfAborted();
    const nodes = await client.nodes();
    alive = nodes.filter((node) => node.state === 'alive').length;
    if (alive >= of.count) return;
    await new Promise((wake) => setTimeout(wake, LOCAL_LIMITS.nodesPollMs));
  }
  const message = `${alive} of ${of.count} workers reached the kernel in time`;
  throw new LlmosError('UNAVAILABLE', message, { details: { alive, wanted: of.count } });
}

function registrarOf(client: LlmosClient, signal: AbortSignal | undefined): ModelRegistrar {
  const abort = signal === undefined ? {} : { signal };
  return {
    list: () => client.models(),
    isUnchanged: (folder, registered) => holdsExactly(folder.path, registered.files),
    add: async (folder, onStored) => {
      // Loaded only here: most users of this package check no model, and it is large.
      const { checkPackage } = await import('@llmos/worker');
      const description = await checkPackage(folder.path, abort);
      return client.addModel({
        name: folder.name,
        folder: folder.path,
        description,
        onProgress: ({ storedBytes, totalBytes }) => onStored(storedBytes, totalBytes),
        ...abort,
      });
    },
  };
}
