/** The kernel's metrics for Prometheus: counters as they happen, gauges when they are read. */
import { TASK_CLASSES } from '@llmos/base';
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import type { CoreCounts } from '../../kernel-core';
import type { CounterName, KernelCounters } from '../../ports/kernel-counters';
import { COUNTERS } from '../../ports/kernel-counters';

export interface KernelGauges {
  readonly counts: () => CoreCounts | undefined;
  readonly isLeading: () => boolean;
  readonly epoch: () => number;
  readonly waitingCalls: () => number;
}

type Labelled = ReadonlyMap<CounterName, string>;

/** Counters with a label, and its name. */
const LABELS: Labelled = new Map([
  ['decisions', 'kind'],
  ['tasks_taken_in', 'class'],
  ['attempts_ended', 'outcome'],
  ['requests', 'kind'],
  ['requests_refused', 'code'],
  ['leaderships', 'what'],
  ['store_retries', 'operation'],
]);

export class PrometheusMetrics implements KernelCounters {
  private readonly registry = new Registry();
  private readonly counters = new Map<CounterName, Counter>();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    for (const [name, help] of Object.entries(COUNTERS) as [CounterName, string][]) {
      const label = LABELS.get(name);
      const counter = new Counter({
        name: `llmos_kernel_${name}_total`,
        help,
        labelNames: label === undefined ? [] : [label],
        registers: [this.registry],
      });
      this.counters.set(name, counter);
    }
  }

  add(name: CounterName, label?: string, amount = 1): void {
    const labelName = LABELS.get(name);
    const counter = this.counters.get(name);
    if (labelName === undefined) counter?.inc(amount);
    else counter?.inc({ [labelName]: label ?? 'unknown' }, amount);
  }

  watch(gauges: KernelGauges): void {
    const { counts } = gauges;
    this.gauge('is_leader', 'Whether this kernel leads', () => Number(gauges.isLeading()));
    this.gauge('epoch', 'Epoch of the current leadership, 0 without', () => gauges.epoch());
    this.gauge('waiting_calls', 'Calls that wait for a result', () => gauges.waitingCalls());
    this.gauge('running_tasks', 'Tasks that run', () => counts()?.running ?? 0);
    this.gauge('held_tasks', 'Tasks of every state', () => counts()?.tasks ?? 0);
    this.gauge('processes', 'Rows of the process table', () => counts()?.processes ?? 0);
    this.gauge('nodes', 'Nodes known', () => counts()?.nodes ?? 0);
    const queued = new Gauge({
      name: 'llmos_kernel_queued_tasks',
      help: 'Tasks that wait, by class',
      labelNames: ['class'],
      registers: [this.registry],
      collect: () => {
        for (const taskClass of TASK_CLASSES) {
          queued.set({ class: taskClass }, counts()?.queued[taskClass] ?? 0);
        }
      },
    });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }

  private gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({
      name: `llmos_kernel_${name}`,
      help,
      registers: [this.registry],
      collect: () => gauge.set(read()),
    });
  }
}
