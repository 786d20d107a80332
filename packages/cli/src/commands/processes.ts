/** `ps`, `nodes`, `spawn`, `kill`, `functions`, `info`, `limits`: what runs where. */
import type { Command } from 'commander';
import type { FunctionDefinition, LimitRow, NodeRow, ProcessRow } from '@llmos/base';
import type { CommandHost } from '../command-host';
import { SYSTEM_CALL, systemCommand, useSystem, withExamples } from '../command-host';
import type { CommonOptions } from '../connection';
import { CLI_LIMITS } from '../limits';
import { formatBlocked, formatFaults } from '../output/blocked-models';
import { formatTable, safeLine } from '../output/table';
import type { Style } from '../output/style';
import { formatBytes, formatMs } from '../output/units';
import { wrapWords } from '../output/wrap';
import { integer } from '../option-values';

interface SpawnOptions extends CommonOptions {
  readonly replicas: number;
}

export function registerProcesses(program: Command, host: CommandHost): void {
  withExamples(
    systemCommand(program, 'ps')
      .description('list the processes: loaded models and built-in programs')
      .action((options: CommonOptions) =>
        useSystem(host, options, async ({ client, terminal }) => {
          const processes = await client.ps(SYSTEM_CALL);
          if (terminal.isJson) return terminal.json(processes);
          const { blocked = [] } = await client.info(SYSTEM_CALL);
          terminal.line(formatProcesses(processes, terminal.style));
          if (blocked.length > 0) terminal.line(`\n${formatBlocked(blocked, terminal.style)}`);
        }),
      ),
    ['llmos ps', 'llmos ps --json'],
  );

  systemCommand(program, 'nodes')
    .description('list the machines: cores, memory, devices, leases')
    .action((options: CommonOptions) =>
      useSystem(host, options, async ({ client, terminal }) => {
        const nodes = await client.nodes(SYSTEM_CALL);
        if (terminal.isJson) return terminal.json(nodes);
        terminal.line(formatNodes(nodes, terminal.style));
        const faults = formatFaults(nodes, terminal.style);
        if (faults !== '') terminal.line(`\n${faults}`);
      }),
    );

  const spawn = systemCommand(program, 'spawn <model>')
    .description('keep processes of a model running; --replicas 0 stops them all')
    .option('--replicas <n>', 'how many', integer(0, 1_000), 1)
    .action((model: string, options: SpawnOptions) =>
      useSystem(host, options, async ({ client, terminal }) => {
        const output = await client.spawn({ model, replicas: options.replicas }, SYSTEM_CALL);
        if (terminal.isJson) terminal.json(output);
        else terminal.line(`${output.model}: ${output.replicas} wanted`);
      }),
    );
  withExamples(spawn, ['llmos spawn storyteller --replicas 2', 'llmos spawn echo --replicas 0']);

  withExamples(
    systemCommand(program, 'kill <pid>')
      .description('stop a process; its tasks go back to the queue')
      .action((pid: string, options: CommonOptions) =>
        useSystem(host, options, async ({ client, terminal }) => {
          const output = await client.kill(pid, SYSTEM_CALL);
          if (terminal.isJson) terminal.json(output);
          else terminal.line(`stopping ${pid}`);
        }),
      ),
    ['llmos kill p4-2'],
  );
}

export function registerInfo(program: Command, host: CommandHost): void {
  systemCommand(program, 'functions')
    .description('list the functions and what they take')
    .action((options: CommonOptions) =>
      useSystem(host, options, async ({ client, terminal }) => {
        const functions = await client.functions(SYSTEM_CALL);
        if (terminal.isJson) terminal.json(functions);
        else terminal.line(formatFunctions(functions, terminal.columns, terminal.style));
      }),
    );

  systemCommand(program, 'info')
    .description('show the leading kernel and the queue')
    .action((options: CommonOptions) =>
      useSystem(host, options, async ({ client, terminal }) => {
        const info = await client.info(SYSTEM_CALL);
        if (terminal.isJson) return terminal.json(info);
        const { queued } = info;
        terminal.line(`kernel   ${info.kernel} (version ${info.version}, epoch ${info.epoch})`);
        terminal.line(`http     ${info.httpUrl}`);
        terminal.line(
          `queued   ${queued.interactive} interactive, ${queued.standard} standard, ` +
            `${queued.batch} batch`,
        );
        terminal.line(`running  ${info.running}`);
      }),
    );
}

export function registerLimits(program: Command, host: CommandHost): void {
  withExamples(
    systemCommand(program, 'limits')
      .description('show what the tenant may have at once, and how much of it is left')
      .action((options: CommonOptions) =>
        useSystem(host, options, async ({ client, terminal }) => {
          const limits = await client.limits(SYSTEM_CALL);
          if (terminal.isJson) terminal.json(limits);
          else terminal.line(formatLimits(limits, terminal.style));
        }),
      ),
    ['llmos limits', 'llmos limits --tenant acme --json'],
  );
}

function formatLimits(limits: readonly LimitRow[], style: Style): string {
  const amount = ({ name }: LimitRow, value: number): string =>
    name.endsWith('Bytes') ? formatBytes(value) : value.toLocaleString('en-US');
  return formatTable<LimitRow>(
    [
      { title: 'OF', cell: (row) => row.name.replace('Bytes', 's') },
      { title: 'LIMIT', align: 'right', cell: (row) => amount(row, row.limit) },
      { title: 'LEFT', align: 'right', cell: (row) => amount(row, row.remaining) },
      {
        title: 'FREES IN',
        align: 'right',
        cell: ({ resetMs }) => (resetMs === undefined ? '–' : formatMs(resetMs)),
      },
    ],
    limits,
    style,
  );
}

export function formatProcesses(processes: readonly ProcessRow[], style: Style): string {
  if (processes.length === 0) return style.dim('no processes; models are loaded when needed');
  const hasExited = (row: ProcessRow): boolean => row.state === 'exited';
  return formatTable<ProcessRow>(
    [
      { title: 'PID', cell: (row) => style.bold(row.pid) },
      { title: 'MODEL', cell: (row) => row.model },
      { title: 'NODE', cell: (row) => row.node },
      { title: 'STATE', cell: (row) => colorState(row.state, style) },
      { title: 'DEVICE', cell: (row) => row.device },
      { title: 'RUNNING', align: 'right', cell: (row) => `${row.running}/${row.permits}` },
      { title: 'CONTEXTS', align: 'right', cell: contextsCell },
      { title: 'QUEUED', align: 'right', cell: (row) => String(row.queued) },
      { title: 'MEMORY', align: 'right', cell: (row) => formatBytes(row.footprintBytes) },
      { title: 'OS PID', align: 'right', cell: (row) => String(row.osPid ?? '–') },
      { title: 'STARTS', align: 'right', cell: (row) => String(row.incarnation) },
      { title: '', cell: (row) => row.reason ?? '' },
    ],
    [...processes.filter((row) => !hasExited(row)), ...processes.filter(hasExited)],
    style,
  );
}

/** Running, waiting and saved generations, and what they keep in memory; `–` where there are none. */
function contextsCell({ contexts }: ProcessRow): string {
  if (contexts === undefined) return '–';
  const { running, waiting, saved, rowBytes, savedBytes, prefixBytes } = contexts;
  const bytes = formatBytes(rowBytes + savedBytes + prefixBytes);
  return `${running}+${waiting}+${saved} ${bytes}`;
}

function formatNodes(nodes: readonly NodeRow[], style: Style): string {
  if (nodes.length === 0) return style.dim('no nodes; start a worker');
  return formatTable<NodeRow>(
    [
      { title: 'NODE', cell: (row) => style.bold(row.node) },
      { title: 'STATE', cell: (row) => colorState(row.state, style) },
      { title: 'CORES', align: 'right', cell: (row) => String(row.cores) },
      { title: 'MEMORY', align: 'right', cell: (row) => formatBytes(row.memoryBytes) },
      { title: 'DEVICES', cell: (row) => row.devices.map(formatDevice).join(', ') },
      { title: 'PROCESSES', align: 'right', cell: (row) => String(row.processes) },
      { title: 'LEASE', align: 'right', cell: (row) => formatMs(Math.max(0, row.leaseMs)) },
      { title: 'LABELS', cell: (row) => pairs(row.labels) },
    ],
    nodes,
    style,
  );
}

function formatDevice(device: NodeRow['devices'][number]): string {
  const usedBytes = device.reservedBytes + device.committedBytes;
  return `${device.id} ${formatBytes(usedBytes)}/${formatBytes(device.capacityBytes)}`;
}

function pairs(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

/** Each function with what it does and, below, what it takes. @param width of the terminal. */
export function formatFunctions(
  functions: readonly FunctionDefinition[],
  width: number,
  style: Style,
): string {
  const nameWidth = Math.max(...functions.map((row) => row.name.length), 0) + 2;
  const indent = ' '.repeat(nameWidth);
  const textWidth = Math.max(CLI_LIMITS.leastTextWidth, width - nameWidth);
  return functions
    .map((row) => {
      const fields = Object.keys(row.input.properties ?? {}).join(', ') || 'any JSON value';
      const text = wrapWords(safeLine(row.description), textWidth);
      const takes = wrapWords(safeLine(`takes ${fields}`), textWidth).map((each) =>
        style.dim(each),
      );
      const name = style.bold(safeLine(row.name)) + indent.slice(row.name.length);
      return name + [...text, ...takes].join(`\n${indent}`);
    })
    .join('\n');
}

function colorState(state: string, style: Style): string {
  if (state === 'ready' || state === 'alive') return style.green(state);
  return state === 'exited' || state === 'lost' ? style.red(state) : style.yellow(state);
}
