/** What is right and wrong about what was found. Pure. */
import { STREAMS, describeBehind, formatModelRef, patterns, storesBehind } from '@llmos/base';
import type { ModelRegistration, NodeRow, ProcessRow, SystemInfo } from '@llmos/base';
import { OLDEST_NATS_VERSION, formatNatsVersion, isNatsVersionAccepted } from '@llmos/local';
import { parseNatsVersion } from '@llmos/local';
import type { StreamDescription } from '@llmos/sdk';
import { foreignTroubles, processTroubles } from '../output/system-overview';
import { count, formatBytes, formatMs } from '../output/units';
import type { Check } from './check';
import { ok, problem, skipped, warning } from './check';
import { STORAGE_LIMITS, adviceForFullStream } from './storage-verdicts';

export const DOCTOR_LIMITS = {
  nodeMajor: 20,
  /** Nothing ends by these clocks; times in logs are off by as much. */
  clockWarningMs: 1_000,
  clockProblemMs: 30_000,
} as const;

export function checkNode(version: string): Check {
  const major = Number(/^v?(\d+)\./.exec(version)?.[1] ?? 0);
  if (major >= DOCTOR_LIMITS.nodeMajor) return ok('node', version);
  const advice = `install Node.js ${DOCTOR_LIMITS.nodeMajor} or newer`;
  return problem('node', version, advice);
}

export function checkNatsVersion(name: string, text: string, where: string): Check {
  const version = parseNatsVersion(text);
  const found = `version ${text} ${where}`;
  if (version !== undefined && isNatsVersionAccepted(version)) return ok(name, found);
  const oldest = formatNatsVersion(OLDEST_NATS_VERSION);
  return problem(name, found, `use NATS ${oldest} or newer`);
}

/** The clocks of the leader and the nodes, against the server's; not that of this machine. */
export function checkClocks(info: SystemInfo, nodes: readonly NodeRow[]): Check[] {
  const leader = { name: `kernel ${info.kernel}`, offsetMs: info.clock?.offsetMs };
  const workers = nodes
    .filter((node) => node.state === 'alive')
    .map((node) => ({ name: `node ${node.node}`, offsetMs: node.clockOffsetMs }));
  const clocks = [leader, ...workers];
  const known = clocks.flatMap(({ name, offsetMs }) =>
    offsetMs === undefined ? [] : [{ name, offsetMs }],
  );
  const off = known.filter(({ offsetMs }) => Math.abs(offsetMs) >= DOCTOR_LIMITS.clockWarningMs);
  const checks = off.map(({ name, offsetMs }) => checkClock(name, offsetMs));
  const jumps = info.clock?.jumps ?? 0;
  if (jumps > 0) {
    const found = `the NATS server's clock jumped ${count(jumps, 'time')}`;
    checks.push(warning('clock', found, 'set it by NTP, which moves a clock without jumps'));
  }
  if (checks.length > 0) return checks;
  if (known.length === 0) return [skipped('clock', 'not measured yet')];
  const found = `${known.length} of ${count(clocks.length, 'program')}: the same as the server’s`;
  return [ok('clock', found)];
}

/** Whether all obey the one leader; silent where they do. */
export function checkEpochs(info: SystemInfo, processes: readonly ProcessRow[]): Check[] {
  const deaf = processes.filter((row) => row.state !== 'backing-off');
  return [...foreignTroubles(info), ...processTroubles(deaf)].map(({ what, hint }) =>
    warning('epochs', what, hint),
  );
}

/** @param offsetMs of the program's clock to the server's. */
export function checkClock(name: string, offsetMs: number): Check {
  const size = Math.abs(offsetMs);
  if (size < DOCTOR_LIMITS.clockWarningMs) return ok('clock', `${name}: the same as the server’s`);
  const found = `${name} is ${formatMs(size)} ${offsetMs > 0 ? 'ahead of' : 'behind'} the server`;
  const advice = 'set both clocks by NTP; deadlines hold all the same, times in logs do not';
  const isBad = size >= DOCTOR_LIMITS.clockProblemMs;
  return isBad ? problem('clock', found, advice) : warning('clock', found, advice);
}

interface WantedStream {
  readonly subjects: readonly string[];
  readonly retention: string;
  readonly discard: string;
}

const WANTED_STREAMS: Readonly<Record<string, WantedStream>> = {
  [STREAMS.tasks]: { subjects: patterns.tasks, retention: 'workqueue', discard: 'new' },
  [STREAMS.results]: { subjects: [patterns.results], retention: 'limits', discard: 'new' },
  [STREAMS.streams]: { subjects: [patterns.streams], retention: 'limits', discard: 'old' },
  [STREAMS.dead]: { subjects: [patterns.dead], retention: 'limits', discard: 'old' },
  [STREAMS.events]: { subjects: [patterns.events], retention: 'limits', discard: 'old' },
};

export function checkStream(stream: StreamDescription): Check {
  const { name, messages, bytes, maxBytes } = stream;
  const wrong = differences(stream, WANTED_STREAMS[name]);
  if (wrong.length > 0) {
    const advice =
      'restart the kernels, which put it right; else remove the stream while none runs';
    return problem(name, wrong.join(', '), advice);
  }
  const behind = storesBehind(
    new Map([[name, stream.notedSequence ?? 0]]),
    new Map([[name, stream.lastSequence]]),
  );
  if (behind.length > 0) {
    const advice =
      'put the files back that were removed or replaced, or restore a backup; to go on without: ' +
      `start kernels with LLMOS_MAKE_ANEW=${name}`;
    return problem(name, behind.map(describeBehind).join(), advice);
  }
  const bound = maxBytes > 0 ? ` of ${formatBytes(maxBytes)}` : '';
  const found = `${count(messages, 'message')}, ${formatBytes(bytes)}${bound}`;
  const isFull = maxBytes > 0 && bytes / maxBytes >= STORAGE_LIMITS.fillWarning;
  if (!isFull || stream.discard !== 'new') return ok(name, found);
  return warning(name, found, adviceForFullStream(name));
}

function differences(stream: StreamDescription, wanted: WantedStream | undefined): string[] {
  if (wanted === undefined) return [];
  const of = (name: string, found: string, right: string): string[] =>
    found === right ? [] : [`${name} is ${found}, must be ${right}`];
  return [
    ...of('retention', stream.retention, wanted.retention),
    ...of('storage', stream.storage, 'file'),
    ...of('discard', stream.discard, wanted.discard),
    ...of('direct get', stream.allowsDirect ? 'on' : 'off', 'on'),
    ...of('subjects', [...stream.subjects].sort().join(' '), [...wanted.subjects].sort().join(' ')),
  ];
}

export function checkNodes(nodes: readonly NodeRow[]): Check {
  const alive = nodes.filter((node) => node.state === 'alive');
  const silent = nodes.filter((node) => node.state !== 'alive').map((node) => node.node);
  const found = `${alive.length} of ${count(nodes.length, 'node')} alive`;
  const advice = 'start a worker that reaches NATS and the kernel’s gRPC address; see its log';
  if (alive.length === 0) return problem('nodes', found, advice);
  if (silent.length > 0) return warning('nodes', `${found}; silent: ${silent.join(', ')}`, advice);
  return ok('nodes', found);
}

export interface Fleet {
  readonly models: readonly ModelRegistration[];
  readonly nodes: readonly NodeRow[];
  readonly processes: readonly ProcessRow[];
}

/** Whether each model fits a device of a live node, and whether its processes start. */
export function checkModels({ models, nodes, processes }: Fleet): Check[] {
  if (models.length === 0) return [ok('models', 'none registered')];
  const live = nodes.filter((node) => node.state === 'alive');
  const devices = live.flatMap((node) => node.devices.map((device) => device.capacityBytes));
  const largestBytes = Math.max(0, ...devices);
  const checks = models.flatMap((model): Check[] => {
    const name = `model ${formatModelRef(model)}`;
    if (devices.length > 0 && model.footprintBytes > largestBytes) {
      const needs = formatBytes(model.footprintBytes);
      const found = `needs ${needs}; the largest device has ${formatBytes(largestBytes)}`;
      return [problem(name, found, 'add a larger node, or remove the model')];
    }
    const ill = processes.find((row) => row.model === formatModelRef(model) && isIll(row));
    if (ill === undefined) return [];
    const found = `process ${ill.pid} is ${ill.state}${ill.reason ? `: ${ill.reason}` : ''}`;
    return [warning(name, found, `look at \`llmos logs\` on ${ill.node}; \`llmos ps\` shows more`)];
  });
  return checks.length > 0 ? checks : [ok('models', `${count(models.length, 'model')} fit`)];
}

function isIll(row: ProcessRow): boolean {
  return row.state === 'backing-off';
}
