/**
 * What a worker measures, in Prometheus' format. Values are read when they are asked for. Processes
 * have series of their own while they run: a sum over them would fall when one leaves.
 */
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import type { ReportedProcess } from '@llmos/base';
import { LOOP_MONITOR_MS, LOOP_SECONDS, UNWANTED_METRICS } from '@llmos/base';
import type { HistogramCounts, HostCounts } from '../../actors/host-protocol';
import { HOST_BOUNDS } from '../../actors/host-protocol';
import type { ContextCounts } from '../../actors/thread-protocol';
import { ReadHistogram } from './read-histogram';

export interface WorkerReadings {
  readonly isAttached: () => boolean;
  readonly freeMemoryBytes: () => number;
  readonly memoryBytes: () => number;
  /** Reconnects to NATS so far. */
  readonly reconnects: () => number;
  /** Left out by the agent so far. */
  readonly skippedMessages: () => number;
  /** Undefined while it is not measured. */
  readonly clockOffsetMs: () => number | undefined;
  readonly processes: () => readonly {
    readonly change: ReportedProcess;
    readonly counts: HostCounts | undefined;
  }[];
}

export interface WorkerMetrics {
  read(): Promise<{ readonly contentType: string; readonly text: string }>;
}

export function createWorkerMetrics(readings: WorkerReadings): WorkerMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_MONITOR_MS });
  for (const name of UNWANTED_METRICS) registry.removeSingleMetric(name);
  new Counter({ ...LOOP_SECONDS, registers: [registry] });
  addNodeMetrics(registry, readings);
  addProcessStates(registry, readings);
  addProcessCounters(registry, readings);
  addContextGauges(registry, readings);
  addProcessHistograms(registry, readings);
  return {
    read: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

function addNodeMetrics(registry: Registry, readings: WorkerReadings): void {
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
  gauge('llmos_worker_attached', 'Whether it is attached to the leading kernel', () =>
    readings.isAttached() ? 1 : 0,
  );
  gauge('llmos_worker_memory_bytes', 'Memory that this worker may use', readings.memoryBytes);
  gauge('llmos_worker_memory_free_bytes', 'Memory that is free', readings.freeMemoryBytes);
  new Gauge({
    name: 'llmos_worker_clock_offset_seconds',
    help: 'Own wall clock less that of the NATS server; no value while it is not measured',
    labelNames: [],
    registers: [registry],
    collect() {
      const offsetMs = readings.clockOffsetMs();
      this.remove();
      if (offsetMs !== undefined) this.set(offsetMs / 1_000);
    },
  });
  const counter = (name: string, help: string, value: () => number): void => {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  };
  const reconnects = 'Reconnects to NATS of the agent';
  counter('llmos_worker_nats_reconnects_total', reconnects, readings.reconnects);
  const skipped = 'Messages and rows that the agent left out because they could not be read';
  counter('llmos_worker_messages_skipped_total', skipped, readings.skippedMessages);
}

function addProcessStates(registry: Registry, readings: WorkerReadings): void {
  new Gauge({
    name: 'llmos_worker_processes',
    help: 'Processes of this worker, by model and state',
    labelNames: ['model', 'state'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { change } of readings.processes()) {
        this.inc({ model: change.target, state: change.report.kind });
      }
    },
  });
  new Gauge({
    name: 'llmos_process_running_attempts',
    help: 'Attempts accepted and not ended',
    labelNames: ['pid', 'model'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, counts } of hostsOf(readings)) this.set(labels, counts.running);
    },
  });
}

interface CounterOf {
  readonly name: string;
  readonly help: string;
  readonly label?: string;
  /** Label value → amount; undefined where the process has no such thing. */
  readonly read: (counts: HostCounts) => Readonly<Record<string, number>> | undefined;
}

const COUNTERS: readonly CounterOf[] = [
  {
    name: 'attempts',
    help: 'Attempts that ended, by outcome',
    label: 'outcome',
    read: ({ committed, failed, stopped, preempted }) => ({
      committed,
      failed,
      stopped,
      preempted,
    }),
  },
  {
    name: 'errors',
    help: 'Attempts that ended in an error, by code',
    label: 'code',
    read: (counts) => counts.errors,
  },
  {
    name: 'tokens',
    help: 'Tokens of generations that ended well: read (prompt) or made (generated)',
    label: 'kind',
    read: ({ promptTokens, generatedTokens }) => ({
      prompt: promptTokens,
      generated: generatedTokens,
    }),
  },
  {
    name: 'chunks',
    help: 'Chunks streamed by actor threads',
    read: ({ chunks }) => ({ '': chunks }),
  },
  {
    name: 'messages_skipped',
    help: 'Messages left out because they could not be read',
    read: ({ skipped }) => ({ '': skipped }),
  },
  {
    name: 'messages_unsent',
    help: 'Messages that could not be sent: larger than the NATS server takes',
    read: ({ unsent }) => ({ '': unsent }),
  },
  {
    name: 'generation_tokens',
    help: 'Tokens that passed the model (decoded, prefilled), needed no run (reused), were guessed (drafted) and right (accepted)',
    label: 'kind',
    read: ({ contexts: of }) =>
      of && {
        decoded: of.decodedTokens,
        prefilled: of.prefilledTokens,
        reused: of.reusedTokens,
        drafted: of.draftedTokens,
        accepted: of.acceptedTokens,
      },
  },
  {
    name: 'generation_steps',
    help: 'Steps that generations shared',
    read: ({ contexts: of }) => of && { '': of.steps },
  },
  {
    name: 'generation_seconds',
    help: 'Time of these steps: inside the model (run), and outside (other)',
    label: 'part',
    read: ({ contexts: of }) =>
      of && { run: of.runMs / 1_000, other: Math.max(0, of.stepMs - of.runMs) / 1_000 },
  },
  {
    name: 'context_switches',
    help: 'Generations that lost their row before their end',
    read: ({ contexts: of }) => of && { '': of.switches },
  },
];

interface GaugeOf {
  readonly name: string;
  readonly help: string;
  readonly label?: string;
  readonly read: (contexts: ContextCounts) => Readonly<Record<string, number>>;
}

const CONTEXT_GAUGES: readonly GaugeOf[] = [
  {
    name: 'contexts',
    help: 'Generations, by state: with a row, without one, saved to go on later',
    label: 'state',
    read: ({ running, waiting, saved }) => ({ running, waiting, saved }),
  },
  {
    name: 'rows',
    help: 'Generations that may have a row at once',
    read: ({ maxRows }) => ({ '': maxRows }),
  },
  {
    name: 'context_bytes',
    help: 'Memory of keys and values: of rows, saved generations, kept beginnings of prompts',
    label: 'kind',
    read: ({ rowBytes, savedBytes, prefixBytes }) => ({
      rows: rowBytes,
      saved: savedBytes,
      prefixes: prefixBytes,
    }),
  },
];

function addContextGauges(registry: Registry, readings: WorkerReadings): void {
  for (const { name, help, label, read } of CONTEXT_GAUGES) {
    new Gauge({
      name: `llmos_process_${name}`,
      help,
      labelNames: labelsWith(label),
      registers: [registry],
      collect() {
        this.reset();
        for (const { labels, counts } of hostsOf(readings)) {
          if (counts.contexts === undefined) continue;
          for (const [value, amount] of Object.entries(read(counts.contexts))) {
            this.set({ ...labels, ...(label === undefined ? {} : { [label]: value }) }, amount);
          }
        }
      },
    });
  }
}

function addProcessCounters(registry: Registry, readings: WorkerReadings): void {
  for (const { name, help, label, read } of COUNTERS) {
    new Counter({
      name: `llmos_process_${name}_total`,
      help,
      labelNames: labelsWith(label),
      registers: [registry],
      collect() {
        this.reset();
        for (const { labels, counts } of hostsOf(readings)) {
          for (const [value, amount] of Object.entries(read(counts) ?? {})) {
            this.inc({ ...labels, ...(label === undefined ? {} : { [label]: value }) }, amount);
          }
        }
      },
    });
  }
}

interface HistogramOf {
  readonly name: string;
  readonly help: string;
  readonly bounds: readonly number[];
  /** Undefined where the process has no such thing. */
  readonly read: (counts: HostCounts) => HistogramCounts | undefined;
}

const HISTOGRAMS: readonly HistogramOf[] = [
  {
    name: 'attempt_seconds',
    help: 'From the start of an attempt to its answer',
    bounds: HOST_BOUNDS.seconds,
    read: (counts) => counts.attemptSeconds,
  },
  {
    name: 'step_seconds',
    help: 'Time of a step of an actor thread',
    bounds: HOST_BOUNDS.seconds,
    read: (counts) => counts.stepSeconds,
  },
  {
    name: 'step_requests',
    help: 'Requests in a step: the batch size',
    bounds: HOST_BOUNDS.requests,
    read: (counts) => counts.stepRequests,
  },
  {
    name: 'time_to_first_token_seconds',
    help: 'From the storage of a generation’s task to its first token',
    bounds: HOST_BOUNDS.firstTokenSeconds,
    read: (counts) => counts.firstTokenSeconds,
  },
  {
    name: 'time_per_output_token_seconds',
    help: 'Mean time of a token after the first, of generations that ended well',
    bounds: HOST_BOUNDS.tokenSeconds,
    read: (counts) => counts.tokenSeconds,
  },
];

function addProcessHistograms(registry: Registry, readings: WorkerReadings): void {
  for (const { name, help, bounds, read } of HISTOGRAMS) {
    new ReadHistogram({
      name: `llmos_process_${name}`,
      help,
      bounds,
      registry,
      read: () =>
        hostsOf(readings).flatMap(({ labels, counts }) => {
          const counted = read(counts);
          return counted === undefined ? [] : [{ labels, counted }];
        }),
    });
  }
}

function labelsWith(label: string | undefined): string[] {
  return ['pid', 'model', ...(label === undefined ? [] : [label])];
}

interface ReadHost {
  readonly labels: { readonly pid: string; readonly model: string };
  readonly counts: HostCounts;
}

function hostsOf(readings: WorkerReadings): readonly ReadHost[] {
  return readings.processes().flatMap(({ change, counts }) => {
    const labels = { pid: change.pid, model: change.target };
    return counts === undefined ? [] : [{ labels, counts }];
  });
}
