/**
 * One tenant attacks, another one calls at a steady rate: how much longer its calls take.
 *
 * On a system of its own, of real programs; attacker and victim are OS processes of their own.
 * Quiet and attacked phases take turns, so that whatever else the machine does falls on both; what
 * an attack left behind is cancelled and gone before the next quiet phase begins.
 */
import { fork } from 'node:child_process';
import type { ChildProcess, ForkOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startSystem } from '@llmos/local';
import type { RunningSystem } from '@llmos/local';
import { parseMetrics, sumOf } from '../support/prometheus-text';
import { repositoryFolder } from '../support/shared-folder';
import { waitFor } from '../support/wait-for';
import { quantile } from './growth';
import type { AttackCounts, AttackKind, Phase, VictimReport } from './hostile-messages';

const DRAIN_MS = 180_000;
/** Tasks of the victim that may be on their way while nothing else is. */
const NEARLY_NONE = 8;
const TICKS_PER_SECOND = 100;

export interface HostileTenantOptions {
  readonly kind: AttackKind;
  /** How long it is attacked in all. */
  readonly seconds: number;
  readonly phaseSeconds: number;
  readonly perSecond: number;
  readonly victimPerSecond: number;
  /** How far the attacker's program stands behind all others, 0 to 19. */
  readonly attackerNice: number;
  readonly say: (what: string, fields?: Record<string, unknown>) => void;
}

export interface CallFigures {
  readonly calls: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
}

export interface HostileTenantReport {
  readonly kind: AttackKind;
  /** By phase and function. */
  readonly figures: Readonly<Record<string, CallFigures>>;
  /** Of p99, attacked to quiet. */
  readonly ratios: Readonly<Record<string, number>>;
  /** Calls of the victim that failed; none should. */
  readonly failures: Readonly<Record<string, number>>;
  readonly sentPerSecond: number;
  /** Answers to the attacker, by code. */
  readonly heard: Readonly<Record<string, number>>;
  /** What the kernel counted meanwhile. */
  readonly counted: Readonly<Record<string, number>>;
  /** CPU seconds for each second of attack, by program. */
  readonly cpu: Readonly<Record<string, number>>;
  readonly slowestDrainMs: number;
  readonly leaderships: number;
  readonly kernelLogBytes: number;
}

interface Bench {
  readonly options: HostileTenantOptions;
  readonly system: RunningSystem;
  readonly attacker: ChildProcess;
  readonly victim: ChildProcess;
  readonly totals: Totals;
}
interface Totals {
  sent: number;
  readonly heard: Record<string, number>;
  readonly cpu: Record<string, number>;
  slowestDrainMs: number;
}

export async function benchHostileTenant(
  options: HostileTenantOptions,
): Promise<HostileTenantReport> {
  const dataDir = mkdtempSync(join(tmpdir(), 'llmos-hostile-'));
  const modelsDir = join(repositoryFolder, 'models');
  const system = await startSystem({ dataDir, modelsDir, device: 'cpu' });
  options.say('started', { natsUrl: system.natsUrl, kernelUrl: system.kernelUrl });
  const children: ChildProcess[] = [];
  const start = async (child: ChildProcess): Promise<ChildProcess> => {
    children.push(child);
    await answerOf(child);
    return child;
  };
  try {
    const { natsUrl } = system;
    const victimArgs = [natsUrl, String(options.victimPerSecond)];
    const victim = await start(forkProgram('hostile-victim-main.js', victimArgs));
    const attacker = await start(forkAttacker('hostile-attacker-main.js', [natsUrl], options));
    const totals: Totals = { sent: 0, heard: {}, cpu: {}, slowestDrainMs: 0 };
    const report = await measure({ options, system, attacker, victim, totals });
    const log = readFileSync(join(dataDir, 'logs', 'kernel-1.log'));
    return { ...report, kernelLogBytes: log.length };
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await system.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function forkProgram(program: string, args: readonly string[], more: ForkOptions = {}) {
  const file = join(__dirname, program);
  return fork(file, args, { stdio: ['ignore', 2, 2, 'ipc'], ...more });
}

/**
 * In a session of its own, as the programs of others are: some systems share the cores out by
 * session first, and would take what the attacker uses from the tenant that is measured. With a
 * niceness it stands behind all others.
 */
function forkAttacker(
  program: string,
  args: readonly string[],
  { attackerNice }: HostileTenantOptions,
): ChildProcess {
  if (attackerNice === 0) return forkProgram(program, args, { detached: true });
  const execArgv = ['-n', String(attackerNice), process.execPath];
  const child = forkProgram(program, args, { execPath: 'nice', execArgv, detached: true });
  try {
    writeFileSync(`/proc/${child.pid ?? 0}/autogroup`, String(attackerNice));
  } catch {
    // This system does not.
  }
  return child;
}

async function measure(bench: Bench): Promise<Omit<HostileTenantReport, 'kernelLogBytes'>> {
  const { options, totals } = bench;
  // Models are loaded, V8 compiles.
  await phase(bench, undefined, options.phaseSeconds);
  const before = await countsOf(bench.system);
  const rounds = Math.max(1, Math.round(options.seconds / options.phaseSeconds));
  for (let round = 1; round <= rounds; round += 1) {
    await phase(bench, 'quiet', options.phaseSeconds);
    await attack(bench);
    const { ratios, figures } = await figuresOf(bench);
    options.say('round', { round, of: rounds, ...totals, ratios, figures });
  }
  const counted = differenceOf(await countsOf(bench.system), before);
  const attackedSeconds = rounds * options.phaseSeconds;
  const cpu = Object.entries(totals.cpu).map(([name, s]) => [name, round2(s / attackedSeconds)]);
  return {
    kind: options.kind,
    ...(await figuresOf(bench)),
    sentPerSecond: Math.round(totals.sent / attackedSeconds),
    heard: totals.heard,
    counted,
    cpu: Object.fromEntries(cpu) as Record<string, number>,
    slowestDrainMs: totals.slowestDrainMs,
    leaderships: counted['leaderships began'] ?? 0,
  };
}

async function figuresOf({
  victim,
}: Bench): Promise<Pick<HostileTenantReport, 'figures' | 'ratios' | 'failures'>> {
  victim.send({ say: 'report' });
  const { latenciesMs, failures } = (await answerOf(victim)) as VictimReport;
  const named = Object.entries(latenciesMs).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const figures = Object.fromEntries(named.map(([name, values]) => [name, callFigures(values)]));
  const p99 = (name: string): number => figures[name]?.p99Ms ?? Number.NaN;
  const ratio = (name: string): number => round2(p99(`attacked ${name}`) / p99(`quiet ${name}`));
  return {
    figures,
    ratios: { bare: ratio('bare'), echo: ratio('echo'), embed: ratio('embed') },
    failures,
  };
}

async function phase({ victim }: Bench, name: Phase, seconds: number): Promise<void> {
  victim.send({ say: 'phase', phase: name });
  await pause(seconds * 1_000);
  victim.send({ say: 'phase' });
}

async function attack(bench: Bench): Promise<void> {
  const { options, attacker, totals, system } = bench;
  const { kind, perSecond } = options;
  const cpuBefore = cpuSeconds(system);
  attacker.send({ say: 'attack', kind, perSecond });
  await phase(bench, 'attacked', options.phaseSeconds);
  for (const [name, seconds] of Object.entries(cpuSeconds(system))) {
    totals.cpu[name] = (totals.cpu[name] ?? 0) + seconds - (cpuBefore[name] ?? 0);
  }
  attacker.send({ say: 'stop' });
  options.say('attacked', { waiting: await waitingTasks(system) });
  const { sent, heard } = (await answerOf(attacker)) as AttackCounts;
  totals.sent += sent;
  for (const [code, count] of Object.entries(heard)) {
    totals.heard[code] = (totals.heard[code] ?? 0) + count;
  }
  const stoppedMs = performance.now();
  await waitFor(async () => (await waitingTasks(system)) <= NEARLY_NONE, {
    what: 'the tasks of the attack to end',
    limitMs: DRAIN_MS,
    everyMs: 500,
  });
  const drainMs = Math.round(performance.now() - stoppedMs);
  totals.slowestDrainMs = Math.max(totals.slowestDrainMs, drainMs);
}

async function metricsOf(system: RunningSystem): Promise<ReturnType<typeof parseMetrics>> {
  return parseMetrics(await (await fetch(`${system.kernelUrl}/metrics`)).text());
}

async function waitingTasks(system: RunningSystem): Promise<number> {
  const metrics = await metricsOf(system);
  return ['held_tasks', 'intake_pending_tasks'].reduce(
    (sum, name) => sum + sumOf(metrics, `llmos_kernel_${name}`),
    0,
  );
}

const COUNTED = [
  'tasks_taken_in',
  'tasks_malformed',
  'tasks_finished',
  'requests',
  'requests_refused',
  'leaderships',
  'store_retries',
  'caller_gone_tasks',
];

async function countsOf(system: RunningSystem): Promise<Record<string, number>> {
  const metrics = await metricsOf(system);
  const counts: Record<string, number> = {};
  for (const name of COUNTED) {
    for (const { labels, value } of metrics.get(`llmos_kernel_${name}_total`)?.samples ?? []) {
      counts[[name, ...Object.values(labels)].join(' ')] = value;
    }
  }
  return counts;
}

function differenceOf(
  after: Readonly<Record<string, number>>,
  before: Readonly<Record<string, number>>,
): Record<string, number> {
  const changed = Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]);
  return Object.fromEntries(changed.filter(([, value]) => value !== 0)) as Record<string, number>;
}

/** Of the programs that the system names. */
function cpuSeconds(system: RunningSystem): Record<string, number> {
  const seconds: Record<string, number> = {};
  for (const [name, osPid] of Object.entries(system.osPids())) {
    const fields = readFileSync(`/proc/${osPid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    seconds[name] = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }
  return seconds;
}

function callFigures(latenciesMs: readonly number[]): CallFigures {
  return {
    calls: latenciesMs.length,
    p50Ms: round2(quantile(latenciesMs, 0.5)),
    p99Ms: round2(quantile(latenciesMs, 0.99)),
    slowestMs: round2(quantile(latenciesMs, 1)),
  };
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const gone = once(child, 'exit').then(([code]) => {
    throw new Error(`a child ended with ${String(code)}`);
  });
  const [message] = (await Promise.race([once(child, 'message'), gone])) as [unknown];
  gone.catch(() => undefined);
  return message;
}
