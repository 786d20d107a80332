/** `llmos doctor`: what is wrong on this machine or in the system, and what to do. */
import type { Command } from 'commander';
import { LlmosError, toErrorBody } from '@llmos/base';
import { defaultStateFolder, freeBytesOf, readRunningSystem, readStoragePlan } from '@llmos/local';
import type { CommandHost } from '../command-host';
import { systemCommand, terminalOf, withExamples } from '../command-host';
import type { CommonOptions } from '../connection';
import { findServers } from '../connection';
import type { Check } from '../doctor/check';
import { skipped } from '../doctor/check';
import { checkMachine } from '../doctor/machine-checks';
import type { LocalDisk } from '../doctor/storage-verdicts';
import { checkSystem } from '../doctor/system-checks';
import { safeLine } from '../output/table';
import type { Terminal } from '../output/terminal';
import { count } from '../output/units';
import { ReportedFailure } from '../usage-error';

export function registerDoctor(program: Command, host: CommandHost): void {
  const command = systemCommand(program, 'doctor')
    .description('check this machine and the running system, and say what to do')
    .action((options: CommonOptions) => doctor(options, host));
  command.addHelpText('after', '\nThe exit code is 1 where something is wrong.');
  withExamples(command, ['llmos doctor', 'llmos doctor --nats nats://nats.example:4222 --json']);
}

async function doctor(options: CommonOptions, host: CommandHost): Promise<void> {
  const terminal = terminalOf(host, options);
  const { env, signal } = host;
  const { servers, reason } = serversOf(options, host);
  terminal.progress('looking at this machine');
  const stateFolder = options.data ?? defaultStateFolder(env);
  const machine = await checkMachine({ env, stateFolder, hasSystem: servers !== undefined });
  terminal.progress('looking at the system');
  const disk = servers === undefined ? undefined : ownDisk(stateFolder, servers);
  const look = { tenant: options.tenant, signal, ...(disk === undefined ? {} : { disk }) };
  const system =
    servers === undefined ? [skipped('system', reason)] : await checkSystem({ servers, ...look });
  if (signal.aborted) throw new LlmosError('CANCELLED', 'interrupted');
  const checks = [...machine, ...system];
  const problems = checks.filter((check) => check.state === 'problem').length;
  if (terminal.isJson) terminal.json({ ok: problems === 0, checks });
  else show(terminal, checks, problems);
  if (problems > 0) throw new ReportedFailure(count(problems, 'problem'));
}

function serversOf(
  options: CommonOptions,
  host: CommandHost,
): { readonly servers?: string; readonly reason: string } {
  try {
    return { servers: findServers(options, host.env), reason: '' };
  } catch (error) {
    // None runs, or one is just starting: the message says which.
    return { reason: toErrorBody(error).message };
  }
}

/** The disk of the servers, where the `llmos up` of this folder runs them. */
function ownDisk(folder: string, servers: string): LocalDisk | undefined {
  try {
    const isOwn = readRunningSystem(folder)?.natsUrl === servers;
    if (!isOwn || readStoragePlan(folder) === undefined) return undefined;
    return { folder, freeBytes: freeBytesOf(folder) };
  } catch {
    return undefined;
  }
}

function show(terminal: Terminal, checks: readonly Check[], problems: number): void {
  const { style } = terminal;
  const width = Math.max(...checks.map((check) => check.name.length));
  const marks = {
    ok: style.green('✓'),
    warning: style.yellow('!'),
    problem: style.red('✗'),
    skipped: style.dim('–'),
  } as const;
  for (const check of checks) {
    terminal.line(safeLine(`${marks[check.state]} ${check.name.padEnd(width)}  ${check.found}`));
    if (check.advice === undefined) continue;
    terminal.line(safeLine(`  ${' '.repeat(width)}  ${style.cyan('→')} ${check.advice}`));
  }
  const warnings = checks.filter((check) => check.state === 'warning').length;
  terminal.line();
  if (problems + warnings === 0) return terminal.line(style.green('all is well'));
  terminal.line(`${count(problems, 'problem')}, ${count(warnings, 'warning')}`);
}
