/** What a worker measures, in Prometheus' format. Values are read when they are asked for. */
import { Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import type { HostCounts } from '../../actors/host-protocol';
import type { ProcessChange } from '../../ports/kernel-link';

export interface WorkerReadings {
  readonly isAttached: () => boolean;
  readonly freeMemoryBytes: () => number;
  readonly memoryBytes: () => number;
  readonly processes: () => readonly {
    readonly change: ProcessChange;
    readonly counts: HostCounts | undefined;
  }[];
}

export interface WorkerMetrics {
  read(): Promise<{ readonly contentType: string; readonly text: string }>;
}

export function createWorkerMetrics(readings: WorkerReadings): WorkerMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  addNodeGauges(registry, readings);
  addProcessGauges(registry, readings);
  return {
    read: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

function addNodeGauges(registry: Registry, readings: WorkerReadings): void {
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  };
  gauge('llmos_worker_attached', '1 while attached to the leading kernel', () =>
    readings.isAttached() ? 1 : 0,
  );
  gauge('llmos_worker_memory_bytes', 'memory that this worker may use', readings.memoryBytes);
  gauge('llmos_worker_memory_free_bytes', 'memory that is free', readings.freeMemoryBytes);
}

const COUNTS: readonly (readonly [keyof HostCounts, string])[] = [
  ['running', 'attempts accepted and not ended'],
  ['committed', 'attempts that ended with a committed result'],
  ['failed', 'attempts that ended with a retryable error'],
  ['stopped', 'attempts that were cancelled, expired or replaced'],
  ['steps', 'steps that actor threads ran'],
  ['stepRequests', 'requests in these steps'],
  ['chunks', 'chunks that actor threads streamed'],
];

function addProcessGauges(registry: Registry, readings: WorkerReadings): void {
  const labelNames = ['pid', 'target', 'state'] as const;
  new Gauge({
    name: 'llmos_worker_process',
    help: '1 for each process of this worker, by state',
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { change } of readings.processes()) {
        const { pid, spec, report } = change;
        this.set({ pid, target: spec.target, state: report.kind }, 1);
      }
    },
  });
  for (const [field, help] of COUNTS) {
    new Gauge({
      name: `llmos_process_${field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`,
      help,
      labelNames: ['pid', 'target'],
      registers: [registry],
      collect() {
        this.reset();
        for (const { change, counts } of readings.processes()) {
          if (counts === undefined) continue;
          this.set({ pid: change.pid, target: change.spec.target }, counts[field]);
        }
      },
    });
  }
}
