/** What `llmos status` shows: the whole system on one screen, and what is wrong with it. */
import { CLOCK_LIMITS } from '@llmos/base';
import type { NodeRow, ProcessRow, StreamLoad, SystemInfo } from '@llmos/sdk';
import { CLI_LIMITS } from '../limits';
import { describeBlock } from './blocked-models';
import type { Style } from './style';
import { formatTable, safeText } from './table';
import { bar, count, formatBytes, formatMs } from './units';

export interface SystemOverview {
  readonly info: SystemInfo;
  readonly nodes: readonly NodeRow[];
  readonly processes: readonly ProcessRow[];
}

/** Something that a person should look at, and where. */
export interface Trouble {
  readonly what: string;
  readonly hint: string;
}

/** A full stream of this kind stops work, others drop their oldest. */
const BLOCKING_STREAMS: ReadonlySet<string> = new Set(['LLMOS_TASKS', 'LLMOS_RESULTS']);
const NEARLY_FULL_SHARE = 0.8;

export function findTroubles({ info, nodes, processes }: SystemOverview): readonly Trouble[] {
  return [
    ...nodeTroubles(nodes),
    ...clockTroubles(info, nodes),
    ...blockTroubles(info),
    ...faultTroubles(info, nodes),
    ...foreignTroubles(info),
    ...processTroubles(processes),
    ...queueTroubles(info, nodes),
    ...streamTroubles(info.streams),
  ];
}

function nodeTroubles(nodes: readonly NodeRow[]): readonly Trouble[] {
  const isSomeAlive = nodes.some((row) => row.state === 'alive');
  const silent = nodes.filter((row) => row.state !== 'alive');
  return [
    ...(isSomeAlive ? [] : [{ what: 'no node is alive', hint: 'start a worker' }]),
    ...silent.map((row) => ({
      what: `node ${row.node} is ${row.state}`,
      hint: 'is its machine up, and can it reach the kernel?',
    })),
  ];
}

function clockTroubles(info: SystemInfo, nodes: readonly NodeRow[]): readonly Trouble[] {
  const clocks = [
    { name: `kernel ${info.kernel}`, offsetMs: info.clock?.offsetMs ?? 0 },
    ...nodes.map((row) => ({ name: `node ${row.node}`, offsetMs: row.clockOffsetMs ?? 0 })),
  ];
  return clocks
    .filter(({ offsetMs }) => Math.abs(offsetMs) > CLOCK_LIMITS.trustMs)
    .map(({ name, offsetMs }) => {
      const where = offsetMs > 0 ? 'ahead of' : 'behind';
      const what = `the clock of ${name} is ${formatMs(Math.abs(offsetMs))} ${where} NATS’s`;
      return { what, hint: 'set it by NTP; deadlines hold all the same' };
    });
}

function blockTroubles({ blocked = [] }: SystemInfo): readonly Trouble[] {
  return blocked.map((row) => {
    const waiting = row.queued === 0 ? '' : `; ${count(row.queued, 'task waits', 'tasks wait')}`;
    return { what: `${row.model} ${describeBlock(row)}${waiting}`, hint: safeText(row.message) };
  });
}

/** Of what others serve: the rest is blocked. */
function faultTroubles(info: SystemInfo, nodes: readonly NodeRow[]): readonly Trouble[] {
  const blocked = new Set(info.blocked?.map(({ model }) => model));
  return nodes.flatMap(({ node, faults = [] }) =>
    faults
      .filter(({ model, isPermanent }) => isPermanent && !blocked.has(model))
      .map(({ model, message }) => ({
        what: `${model} can't be loaded on ${node}`,
        hint: safeText(message),
      })),
  );
}

/** SECURITY.md says how to keep others out. */
export function foreignTroubles({ foreignEpochs }: SystemInfo): readonly Trouble[] {
  if (foreignEpochs === undefined) return [];
  const { messages, leaderRecords, intakeConsumers } = foreignEpochs;
  const found = [
    ...(messages === 0 ? [] : [count(messages, 'message to a process', 'messages to processes')]),
    ...(leaderRecords === 0 ? [] : [count(leaderRecords, 'leader record')]),
    ...(intakeConsumers === 0 ? [] : [count(intakeConsumers, 'intake consumer')]),
  ];
  if (found.length === 0) return [];
  const what = `${found.join(', ')} refused: no leader had that epoch`;
  return [{ what, hint: 'someone else writes where only kernels should: SECURITY.md' }];
}

export function processTroubles(processes: readonly ProcessRow[]): readonly Trouble[] {
  return processes.flatMap((row) => {
    const name = `${row.model} (${row.pid})`;
    if (row.state === 'backing-off') {
      const hint = row.reason ?? 'see the log of its worker';
      return [{ what: `${name} does not stay up`, hint }];
    }
    if (row.state === 'ready' && row.reason !== undefined) {
      return [{ what: `${name} ${row.reason}`, hint: 'it is replaced within seconds' }];
    }
    if (row.reason === 'refuses-leader') {
      return [{ what: `${name} refused its leader`, hint: 'it was replaced; see its log' }];
    }
    return [];
  });
}

function queueTroubles(info: SystemInfo, nodes: readonly NodeRow[]): readonly Trouble[] {
  if (info.isRecovering) {
    const what = 'the leader is new and waits for the nodes to say what they run';
    return [{ what, hint: 'this ends within a node lease' }];
  }
  if (queuedOf(info) === 0 || info.running > 0 || nodes.length === 0) return [];
  const what = `${count(queuedOf(info), 'task waits', 'tasks wait')} and nothing runs`;
  return [{ what, hint: 'a model may be loading, or fit no node' }];
}

function streamTroubles(streams: readonly StreamLoad[]): readonly Trouble[] {
  if (streams.length === 0) {
    return [{ what: 'JetStream did not say how full it is', hint: 'is the NATS server busy?' }];
  }
  return streams.flatMap((row) => {
    if (row.stream === 'LLMOS_DEAD' && row.messages > 0) {
      return [{ what: count(row.messages, 'dead letter'), hint: 'llmos dead list' }];
    }
    if (!BLOCKING_STREAMS.has(row.stream) || shareOf(row) < NEARLY_FULL_SHARE) return [];
    const percent = Math.round(shareOf(row) * 100);
    return [{ what: `${row.stream} is ${percent} % full`, hint: 'when it is full, work stops' }];
  });
}

export function formatOverview(overview: SystemOverview, style: Style): string {
  const { info, nodes, processes } = overview;
  const { queued } = info;
  const live = processes.filter((row) => row.state !== 'exited');
  const waiting = info.intake.reduce((total, row) => total + row.pending, 0);
  return [
    `${style.bold('leader')}     ${info.kernel}, epoch ${info.epoch}, version ${info.version}`,
    `${style.bold('queues')}     ${queued.interactive} interactive, ${queued.standard} standard, ` +
      `${queued.batch} batch; ${info.running} running, ${waiting} not taken in, ` +
      `${count(info.waitingCalls, 'call waits', 'calls wait')}`,
    section('nodes', nodesTable(nodes, style), style),
    section('processes', processesTable(live, style), style),
    section('streams', streamsTable(info.streams, style), style),
    troublesText(findTroubles(overview), style),
  ].join('\n');
}

function section(name: string, text: string, style: Style): string {
  return `\n${style.bold(name)}\n${text}`;
}

function nodesTable(nodes: readonly NodeRow[], style: Style): string {
  if (nodes.length === 0) return style.dim('none');
  const used = (row: NodeRow): string =>
    row.devices
      .map((device) => {
        const usedBytes = device.reservedBytes + device.committedBytes;
        return `${device.id} ${formatBytes(usedBytes)} of ${formatBytes(device.capacityBytes)}`;
      })
      .join(', ');
  const table = formatTable<NodeRow>(
    [
      { title: 'NODE', cell: (row) => row.node },
      { title: 'STATE', cell: (row) => colored(row.state, style) },
      { title: 'PROCESSES', align: 'right', cell: (row) => String(row.processes) },
      { title: 'MEMORY', cell: used },
    ],
    nodes.slice(0, CLI_LIMITS.statusRows),
    style,
  );
  return table + more(nodes.length, 'llmos nodes', style);
}

function processesTable(processes: readonly ProcessRow[], style: Style): string {
  if (processes.length === 0) return style.dim('none; models are loaded when needed');
  const table = formatTable<ProcessRow>(
    [
      { title: 'PID', cell: (row) => row.pid },
      { title: 'MODEL', cell: (row) => row.model },
      { title: 'NODE', cell: (row) => row.node },
      { title: 'STATE', cell: (row) => colored(row.state, style) },
      { title: 'RUNNING', align: 'right', cell: (row) => `${row.running}/${row.permits}` },
      { title: 'QUEUED', align: 'right', cell: (row) => String(row.queued) },
    ],
    processes.slice(0, CLI_LIMITS.statusRows),
    style,
  );
  return table + more(processes.length, 'llmos ps', style);
}

function streamsTable(streams: readonly StreamLoad[], style: Style): string {
  if (streams.length === 0) return style.dim('unknown');
  return formatTable<StreamLoad>(
    [
      { title: 'STREAM', cell: (row) => row.stream },
      { title: 'MESSAGES', align: 'right', cell: (row) => String(row.messages) },
      { title: 'SIZE', align: 'right', cell: (row) => formatBytes(row.bytes) },
      { title: '', cell: (row) => bar(shareOf(row), 10) },
      {
        title: 'LIMIT',
        align: 'right',
        cell: (row) => (row.maxBytes === 0 ? '–' : formatBytes(row.maxBytes)),
      },
    ],
    streams,
    style,
  );
}

function troublesText(troubles: readonly Trouble[], style: Style): string {
  if (troubles.length === 0) return `\n${style.green('nothing is wrong')}`;
  const lines = troubles
    .slice(0, CLI_LIMITS.statusRows)
    .map(({ what, hint }) => `${style.red('!')} ${what} ${style.dim(`– ${hint}`)}`);
  return section('what is wrong', lines.join('\n'), style);
}

function more(total: number, command: string, style: Style): string {
  return total > CLI_LIMITS.statusRows
    ? `\n${style.dim(`and ${total - CLI_LIMITS.statusRows} more: ${command}`)}`
    : '';
}

function colored(state: string, style: Style): string {
  if (state === 'ready' || state === 'alive') return style.green(state);
  return state === 'lost' ? style.red(state) : style.yellow(state);
}

function shareOf(row: StreamLoad): number {
  return row.maxBytes === 0 ? 0 : row.bytes / row.maxBytes;
}

function queuedOf({ queued }: SystemInfo): number {
  return queued.interactive + queued.standard + queued.batch;
}
