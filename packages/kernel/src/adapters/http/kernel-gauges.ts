/**
 * What the kernel's tables and streams hold, read at each scrape. Labels are classes, states, models,
 * devices and tenants, all bounded; never tasks or processes.
 */
import type { AttemptCost, DeviceRow } from '@llmos/base';
import { TASK_CLASSES } from '@llmos/base';
import type { Registry } from 'prom-client';
import { Counter, Gauge } from 'prom-client';
import type { KernelGauges } from '../../kernel-gauges';
import type { ModelLoad } from '../../scheduling/model-loads';

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

interface Reading {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
  readonly read: () => readonly Sample[] | Promise<readonly Sample[]>;
}

export function addKernelGauges(registry: Registry, gauges: KernelGauges): void {
  const readings = [
    ...programReadings(gauges),
    ...taskReadings(gauges),
    ...processReadings(gauges),
    ...modelReadings(gauges),
    ...deviceReadings(gauges),
    ...streamReadings(gauges),
  ];
  for (const reading of readings) addGauge(registry, reading);
  addReconciled(registry, gauges);
  addCallerGone(registry, gauges);
  addCosts(registry, gauges);
}

function addGauge(registry: Registry, reading: Reading): void {
  const { name, help, labelNames = [], read } = reading;
  new Gauge({
    name: `llmos_kernel_${name}`,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    async collect() {
      const samples = await read();
      // What is gone must not be shown with its last value.
      this.reset();
      for (const [labels, value] of samples) this.set(labels, value);
    },
  });
}

function one(value: number): readonly Sample[] {
  return [[{}, value]];
}

function programReadings(gauges: KernelGauges): readonly Reading[] {
  return [
    {
      name: 'is_leader',
      help: 'Whether this kernel leads',
      read: () => one(Number(gauges.isLeading())),
    },
    {
      name: 'epoch',
      help: 'Epoch of the current leadership, 0 without',
      read: () => one(gauges.epoch()),
    },
    {
      name: 'waiting_calls',
      help: 'Calls that wait for a result',
      read: () => one(gauges.waitingCalls()),
    },
    {
      name: 'attached_readers',
      help: 'Readers of generations that attached',
      read: () => one(gauges.attachedReaders()),
    },
    {
      name: 'bound_callers',
      help: 'Callers that tasks are bound to',
      read: () => one(gauges.counts()?.callers ?? 0),
    },
    {
      name: 'clock_offset_seconds',
      help: 'Own wall clock less that of the NATS server; no series while it is not measured',
      read: () => {
        const { offsetMs } = gauges.clock();
        return offsetMs === undefined ? [] : one(offsetMs / 1_000);
      },
    },
    {
      name: 'clock_jumps',
      help: 'Jumps of the NATS server’s clock since this kernel started',
      read: () => one(gauges.clock().jumps),
    },
    { name: 'nodes', help: 'Nodes known', read: () => one(gauges.counts()?.nodes ?? 0) },
  ];
}

function taskReadings(gauges: KernelGauges): readonly Reading[] {
  const { counts } = gauges;
  return [
    { name: 'running_tasks', help: 'Tasks that run', read: () => one(counts()?.running ?? 0) },
    { name: 'held_tasks', help: 'Tasks of every state', read: () => one(counts()?.tasks ?? 0) },
    {
      name: 'blocked_tasks',
      help: 'Tasks that wait for a model that failed wherever it was tried',
      read: () => one(counts()?.blocked ?? 0),
    },
    {
      name: 'queued_tasks',
      help: 'Tasks that wait in the run queue, by class',
      labelNames: ['class'],
      read: () => TASK_CLASSES.map((name) => [{ class: name }, counts()?.queued[name] ?? 0]),
    },
  ];
}

const PROCESS_STATES = ['starting', 'ready', 'draining', 'backing-off'] as const;

function processReadings(gauges: KernelGauges): readonly Reading[] {
  return [
    {
      name: 'processes',
      help: 'Rows of the process table, by state',
      labelNames: ['state'],
      read: () => {
        const rows = gauges.processes();
        return PROCESS_STATES.map((state) => [
          { state },
          rows.filter((row) => row.state === state).length,
        ]);
      },
    },
  ];
}

/** Bounded by the core: what is beyond is one model together. */
function modelReadings(gauges: KernelGauges): readonly Reading[] {
  // All gauges of a scrape begin in one turn: they share a reading.
  let shared: readonly ModelLoad[] | undefined;
  const models = (): readonly ModelLoad[] => {
    if (shared === undefined) queueMicrotask(() => (shared = undefined));
    return (shared ??= gauges.models());
  };
  const reading = (
    name: string,
    help: string,
    read: (load: ModelLoad) => number | undefined,
  ): Reading => ({
    name,
    help: `${help}, by model`,
    labelNames: ['model'],
    read: () =>
      models().flatMap((load): Sample[] => {
        const value = read(load);
        return value === undefined ? [] : [[{ model: load.model }, value]];
      }),
  });
  const ofReady = (load: ModelLoad, value: number) => (load.permits > 0 ? value : undefined);
  return [
    reading('model_queued_tasks', 'Tasks that wait in the run queue', (load) => load.queued),
    reading('model_running_tasks', 'Tasks that hold a permit', (load) => load.running),
    reading('model_rows_in_use_ratio', 'Share of the rows of generations in use', (load) =>
      load.rows === 0 ? undefined : load.rowsInUse / load.rows,
    ),
    reading('permits', 'Permits of ready processes', (load) => ofReady(load, load.permits)),
    reading('permits_in_use', 'Permits that running tasks hold', (load) =>
      ofReady(load, load.permitsInUse),
    ),
  ];
}

function deviceReadings(gauges: KernelGauges): readonly Reading[] {
  const reading = (what: string, help: string, read: (row: DeviceRow) => number): Reading => ({
    name: `device_${what}_bytes`,
    help,
    labelNames: ['node', 'device'],
    read: () =>
      gauges
        .nodes()
        .filter((row) => row.state !== 'lost')
        .flatMap(({ node, devices }) =>
          devices.map((row): Sample => [{ node, device: row.id }, read(row)]),
        ),
  });
  return [
    reading('capacity', 'Memory of a device', (row) => row.capacityBytes),
    reading('reserved', 'Memory promised to processes that start', (row) => row.reservedBytes),
    reading('committed', 'Memory of processes that are ready', (row) => row.committedBytes),
  ];
}

function streamReadings(gauges: KernelGauges): readonly Reading[] {
  const stream = (
    what: string,
    help: string,
    field: 'messages' | 'bytes' | 'maxBytes',
  ): Reading => ({
    name: `stream_${what}`,
    help,
    labelNames: ['stream'],
    read: async () =>
      (await gauges.streams.read()).streams.map((row) => [{ stream: row.stream }, row[field]]),
  });
  const intake = (what: string, help: string, field: 'pending' | 'ackPending'): Reading => ({
    name: `intake_${what}`,
    help,
    labelNames: ['class'],
    read: async () =>
      (await gauges.streams.read()).intake.map((row) => [{ class: row.class }, row[field]]),
  });
  return [
    stream('messages', 'Messages stored in a stream', 'messages'),
    stream('size_bytes', 'Bytes stored in a stream', 'bytes'),
    stream('limit_bytes', 'Bytes that a stream may hold, 0 without a limit', 'maxBytes'),
    intake('pending_tasks', 'Tasks stored and not yet delivered to the leader', 'pending'),
    intake('unacknowledged_tasks', 'Tasks delivered whose end is not stored yet', 'ackPending'),
  ];
}

/** Counted by the core, so from 0 again with each leadership, which a rate allows for. */
function addReconciled(registry: Registry, gauges: KernelGauges): void {
  new Counter({
    name: 'llmos_kernel_reconciled_total',
    help: 'Differences that heartbeats showed and the leader repaired, by kind',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      const { resent, refused } = gauges.counts()?.reconciled ?? { resent: 0, refused: 0 };
      this.reset();
      this.inc({ kind: 'resent' }, resent);
      this.inc({ kind: 'refused' }, refused);
    },
  });
}

/** The same. */
function addCallerGone(registry: Registry, gauges: KernelGauges): void {
  new Counter({
    name: 'llmos_kernel_caller_gone_tasks_total',
    help: 'Tasks cancelled because the caller they were bound to was gone',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(gauges.counts()?.callerGone ?? 0);
    },
  });
}

/** The same. Tenants are bounded by the table that counts them. */
function addCosts(registry: Registry, gauges: KernelGauges): void {
  const add = (what: string, help: string, read: (cost: AttemptCost) => number): Counter => {
    return new Counter({
      name: `llmos_kernel_cost_${what}_total`,
      help,
      labelNames: ['tenant'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [tenant, cost] of gauges.counts()?.costs ?? []) this.inc({ tenant }, read(cost));
      },
    });
  };
  add('device_seconds', 'Time of devices that attempts took', (cost) => cost.deviceMs / 1_000);
  add('cpu_seconds', 'Core-seconds that attempts took', (cost) => cost.cpuMs / 1_000);
  add('input_tokens', 'Tokens that models read for attempts', (cost) => cost.inputTokens);
  add('output_tokens', 'Tokens that models made for attempts', (cost) => cost.outputTokens);
}
