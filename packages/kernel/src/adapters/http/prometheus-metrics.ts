/** The kernel's metrics for Prometheus: counted as they happen; gauges are read when asked for. */
import { Counter, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { LOOP_MONITOR_MS, LOOP_SECONDS, UNWANTED_METRICS } from '@llmos/base';
import type { KernelGauges } from '../../kernel-gauges';
import type { CounterName, DurationName, KernelCounters } from '../../ports/kernel-counters';
import { COUNTERS, DURATIONS } from '../../ports/kernel-counters';
import { addKernelGauges } from './kernel-gauges';

/** Counters with a label, and its name. */
const LABELS: ReadonlyMap<CounterName, string> = new Map([
  ['decisions', 'kind'],
  ['tasks_taken_in', 'class'],
  ['tasks_finished', 'code'],
  ['attempts_ended', 'outcome'],
  ['reader_messages', 'kind'],
  ['requests', 'kind'],
  ['requests_refused', 'code'],
  ['leaderships', 'what'],
  ['store_retries', 'operation'],
]);

/** From a millisecond on an idle machine to the hours that bulk work may wait. */
const BUCKETS_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200,
];

export class PrometheusMetrics implements KernelCounters {
  private readonly registry = new Registry();
  /** By name and label, since they were read last: a counter of the client's costs more to find. */
  private readonly counted = new Map<CounterName, Map<string, number>>();
  private readonly durations = new Map<DurationName, Histogram>();

  constructor() {
    collectDefaultMetrics({
      register: this.registry,
      eventLoopMonitoringPrecision: LOOP_MONITOR_MS,
    });
    for (const name of UNWANTED_METRICS) this.registry.removeSingleMetric(name);
    new Counter({ ...LOOP_SECONDS, registers: [this.registry] });
    for (const [name, help] of Object.entries(COUNTERS) as [CounterName, string][]) {
      this.counted.set(name, new Map());
      const label = LABELS.get(name);
      const takeCounted = (): ReadonlyMap<string, number> => this.takeCounted(name);
      new Counter({
        name: `llmos_kernel_${name}_total`,
        help,
        labelNames: label === undefined ? [] : [label],
        registers: [this.registry],
        collect() {
          for (const [value, amount] of takeCounted()) {
            if (label === undefined) this.inc(amount);
            else this.inc({ [label]: value }, amount);
          }
        },
      });
    }
    for (const [name, help] of Object.entries(DURATIONS) as [DurationName, string][]) {
      const histogram = new Histogram({
        name: `llmos_kernel_${name}_seconds`,
        help: `${help}, by class`,
        labelNames: ['class'],
        buckets: BUCKETS_SECONDS,
        registers: [this.registry],
      });
      this.durations.set(name, histogram);
    }
  }

  add(name: CounterName, label?: string, amount = 1): void {
    const counted = this.counted.get(name);
    const value = label ?? 'unknown';
    counted?.set(value, (counted.get(value) ?? 0) + amount);
  }

  private takeCounted(name: CounterName): ReadonlyMap<string, number> {
    const taken = this.counted.get(name) ?? new Map<string, number>();
    this.counted.set(name, new Map());
    return taken;
  }

  observe(name: DurationName, taskClass: string, seconds: number): void {
    this.durations.get(name)?.observe({ class: taskClass }, seconds);
  }

  watch(gauges: KernelGauges): void {
    addKernelGauges(this.registry, gauges);
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }
}
