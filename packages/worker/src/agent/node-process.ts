/**
 * One process on this node, from the kernel's order to its end: package → host → ready → exited.
 *
 * Every change is told once, in order; `exited` is the last. A stop in any state leads to exited.
 */
import type {
  ErrorBody,
  ModelRegistration,
  ModelTask,
  NodeId,
  ProcessId,
  ProcessReport,
  ProcessSpec,
  ReportedProcess,
} from '@llmos/base';
import { cutText } from '@llmos/base';
import type { FromHost, HostCounts, HostSpec } from '../actors/host-protocol';
import { AGENT_LIMITS } from '../limits';
import { hideSources } from '../models/hidden-folders';
import { isShortOfMemory, loadError } from '../models/load-error';
import type { FetchProgress, HeldPackage } from '../models/model-cache';
import type { Alarm } from '../ports/alarm';
import type { MemoryProbe } from '../ports/memory-probe';
import type { Host, HostEnd, HostEvents } from './host-supervisor';

export interface NodeProcessParts {
  readonly startHost: (spec: HostSpec, events: HostEvents) => Host;
  readonly acquire: (model: ModelRegistration, onProgress: FetchProgress) => Promise<HeldPackage>;
  readonly memory: Pick<MemoryProbe, 'residentBytes'>;
  /** Sets the bound of a host that got ready on the CPU; on a GPU drivers take what they like. */
  readonly boundMemory: (osPid: number, task: ModelTask | undefined) => void;
  readonly alarm: Alarm;
  readonly nowMs: () => number;
  /** What every host of this node is told besides its process. */
  readonly host: Pick<
    HostSpec,
    | 'servers'
    | 'logLevel'
    | 'cores'
    | 'chunkMs'
    | 'modelNiceness'
    | 'faultClockMs'
    | 'threadHeapBytes'
  > & {
    readonly node: NodeId;
  };
  /** Of this machine: why a process ended is told to whoever used it. */
  readonly hiddenFolders: readonly string[];
  readonly onChange: (change: ReportedProcess) => void;
}

export interface ProcessOrder {
  readonly pid: ProcessId;
  readonly incarnation: number;
  readonly spec: ProcessSpec;
}

export class NodeProcess {
  private report: ProcessReport = { kind: 'starting', osPid: 0, progress: 'waiting' };
  private host: Host | undefined;
  private held: HeldPackage | undefined;
  /** Set once it must end; the reason that its exit will be told with. */
  private ending: ProcessReport | undefined;
  private stopGraceMs: number | undefined;
  private cancelLoadLimit: () => void = () => undefined;
  private progressAtMs = -Infinity;
  counts: HostCounts | undefined;

  constructor(
    private readonly parts: NodeProcessParts,
    readonly order: ProcessOrder,
  ) {}

  get change(): ReportedProcess {
    return reportedOf(this.order, this.report);
  }

  get isExited(): boolean {
    return this.report.kind === 'exited';
  }

  /** What its host occupies now, once it is ready on the CPU. */
  get residentBytes(): number | undefined {
    const { report, host } = this;
    if (report.kind !== 'ready' || report.device !== 'cpu' || host === undefined) return undefined;
    return this.parts.memory.residentBytes(host.osPid);
  }

  /** Never throws; what goes wrong is told as an exit. */
  async start(): Promise<void> {
    const { registration } = this.order.spec;
    try {
      if (registration !== undefined) {
        this.tell({ kind: 'starting', osPid: 0, progress: 'checking the package' });
        const held = await this.parts.acquire(registration, (fetched, total) =>
          this.tellProgress(fetched, total),
        );
        // Stopped meanwhile: its exit is told already.
        if (this.isExited) held.release();
        else this.held = held;
      }
      if (!this.isExited) this.startHost();
    } catch (thrown) {
      this.tell(loadFailed(loadError(thrown)));
    }
  }

  /** @param graceMs 0 kills at once. A shorter grace than an earlier one wins. */
  stop(graceMs: number): void {
    this.ending ??= { kind: 'exited', reason: 'stopped', message: '', isRetryable: false };
    if (this.stopGraceMs !== undefined && graceMs >= this.stopGraceMs) return;
    this.stopGraceMs = graceMs;
    if (this.host === undefined) this.tell(this.ending);
    else this.host.stop(this.report.kind === 'ready' ? graceMs : 0);
  }

  private startHost(): void {
    const { pid, incarnation, spec } = this.order;
    const model =
      spec.registration === undefined || this.held === undefined
        ? {}
        : { model: { packageFolder: this.held.folder, manifest: spec.registration.manifest } };
    const hostSpec: HostSpec = {
      ...this.parts.host,
      pid,
      incarnation,
      target: spec.target,
      device: spec.device,
      ...model,
    };
    this.host = this.parts.startHost(hostSpec, {
      message: (message) => this.onMessage(message),
      ended: (end) => this.onEnded(end),
    });
    this.cancelLoadLimit = this.parts.alarm.after(AGENT_LIMITS.hostLoadMs, () => {
      const message = `not ready after ${AGENT_LIMITS.hostLoadMs} ms`;
      this.endWith({ kind: 'exited', reason: 'load-failed', message, isRetryable: true });
    });
    this.tell({ kind: 'starting', osPid: this.host.osPid, progress: 'loading' });
  }

  private onMessage(message: FromHost): void {
    switch (message.kind) {
      case 'ready':
        this.cancelLoadLimit();
        if (message.device === 'cpu') this.boundMemory();
        this.tell({
          kind: 'ready',
          osPid: this.host?.osPid ?? 0,
          permits: message.permits,
          device: message.device,
          footprintBytes: this.footprintBytes(message.device),
        });
        return;
      case 'load-failed': {
        const { code, retryable, message: text } = message;
        this.endWith(loadFailed({ code, retryable, message: text }));
        return;
      }
      case 'crashing':
        this.ending ??= crashed(message.message);
        return;
      case 'leaving':
        this.ending ??= {
          kind: 'exited',
          reason: 'stopped',
          message: message.message,
          isRetryable: true,
        };
        return;
      case 'counts':
        this.counts = message.counts;
        return;
      case 'booted':
        return;
    }
  }

  private boundMemory(): void {
    const task = this.order.spec.registration?.manifest.task;
    if (this.host !== undefined) this.parts.boundMemory(this.host.osPid, task);
  }

  /** What the host occupies of its device. A GPU's share can't be read, so the promise stands. */
  private footprintBytes(device: string): number {
    const { reservedBytes } = this.order.spec;
    if (device !== 'cpu') return reservedBytes;
    return this.parts.memory.residentBytes(this.host?.osPid ?? 0) ?? reservedBytes;
  }

  private endWith(report: ProcessReport): void {
    this.ending ??= report;
    this.host?.stop(0);
  }

  private onEnded(end: HostEnd): void {
    this.cancelLoadLimit();
    const phase = this.report.kind === 'ready' ? 'the host ended' : 'the host ended while loading';
    const tail = hideSources(end.tail, this.parts.hiddenFolders);
    const message = `${phase}: ${describeEnd({ ...end, tail })}`;
    // The system kills what it has no memory for. A model that can't be loaded ends by itself.
    const isForWant = end.signal === 'SIGKILL' || isShortOfMemory(end.tail);
    const report =
      this.report.kind === 'ready' || !isForWant
        ? crashed(message)
        : loadFailed({ code: 'RESOURCE_EXHAUSTED', retryable: true, message });
    this.tell(this.ending ?? report);
  }

  private tellProgress(fetchedBytes: number, totalBytes: number): void {
    const nowMs = this.parts.nowMs();
    if (nowMs - this.progressAtMs < AGENT_LIMITS.progressMs) return;
    this.progressAtMs = nowMs;
    const progress = `fetching ${megabytes(fetchedBytes)} of ${megabytes(totalBytes)} MB`;
    this.tell({ kind: 'starting', osPid: 0, progress });
  }

  private tell(report: ProcessReport): void {
    if (this.isExited) return;
    this.report = report;
    if (report.kind === 'exited') {
      const message = hideSources(report.message, this.parts.hiddenFolders);
      this.report = { ...report, message: bounded(message) };
      this.held?.release();
    }
    this.parts.onChange(this.change);
  }
}

/** What the kernel is told of an order. */
export function reportedOf(order: ProcessOrder, report: ProcessReport): ReportedProcess {
  const { pid, incarnation, spec } = order;
  const { target, device, reservedBytes } = spec;
  return { pid, incarnation, report, target, device, reservedBytes };
}

function loadFailed(error: ErrorBody): ProcessReport {
  return {
    kind: 'exited',
    reason: 'load-failed',
    message: `${error.code}: ${error.message}`,
    isRetryable: error.retryable,
  };
}

function crashed(message: string): ProcessReport {
  return { kind: 'exited', reason: 'crashed', message, isRetryable: true };
}

/** It goes into every registration, with those of other processes that ended. */
function bounded(message: string): string {
  return cutText(message, AGENT_LIMITS.exitMessageChars);
}

function describeEnd(end: HostEnd): string {
  const how =
    end.signal === null ? `exit code ${end.exitCode ?? 'unknown'}` : `killed by ${end.signal}`;
  return end.tail === '' ? how : `${how}; its last words: ${end.tail.slice(-500)}`;
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(bytes < 10_000_000 ? 1 : 0);
}
