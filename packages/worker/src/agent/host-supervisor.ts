/**
 * Starts process hosts and watches them: their messages, their output, how they end. The agent's
 * side of host-protocol.ts (H1 … H5).
 *
 * One writer of the children. Whoever starts a host may assume of its events:
 * - V1: exactly one `ended`, with its last words, and no message after it; also for a child that
 *   could not be spawned.
 * - V2: a host that does not boot, or does not end within its grace, is killed: `ended` comes within
 *   a bounded time after `stop`.
 * - V3: no host outlives the agent: its channel closes with the agent (H5), or `killAll` ends it.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { LlmosError } from '@llmos/base';
import type { FromHost, HostSpec, ToHost } from '../actors/host-protocol';
import { AGENT_LIMITS } from '../limits';
import type { Alarm } from '../ports/alarm';
import { OutputTail } from './output-tail';

export interface HostEvents {
  message(message: FromHost): void;
  /** Once; nothing comes after it. */
  ended(end: HostEnd): void;
}

export interface HostEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The end of what it wrote, for people. */
  readonly tail: string;
}

export interface Host {
  readonly osPid: number;
  /** Asks it to end within the grace, kills it after; a grace of 0 kills at once. */
  stop(graceMs: number): void;
}

export interface HostSupervisorParts {
  /** The program file of a process host. */
  readonly hostEntry: string;
  readonly env: Readonly<Record<string, string>>;
  readonly alarm: Alarm;
  readonly nowMs: () => number;
  /** Each line that a host writes, cut and bounded. */
  readonly onLine: (pid: string, line: string) => void;
}

export class HostSupervisor {
  private readonly children = new Set<ChildProcess>();

  constructor(private readonly parts: HostSupervisorParts) {}

  /** Throws RESOURCE_EXHAUSTED where the operating system has no process to give. */
  start(spec: HostSpec, events: HostEvents): Host {
    const { hostEntry, env, alarm } = this.parts;
    const child = forkHost(hostEntry, env);
    this.children.add(child);
    const tail = this.watchOutput(child, spec.pid);
    const boot = alarm.after(AGENT_LIMITS.hostBootMs, () => child.kill('SIGKILL'));
    let hasEnded = false;
    const end = (exitCode: number | null, signal: string | null): void => {
      if (hasEnded) return;
      hasEnded = true;
      boot();
      this.children.delete(child);
      events.ended({ exitCode, signal, tail: tail.end() });
    };
    child.on('message', (message) => {
      const known = message as FromHost;
      if (known.kind === 'booted') {
        boot();
        send(child, { kind: 'start', spec });
      } else if (!hasEnded) {
        events.message(known);
      }
    });
    child.once('error', (error) => {
      tail.add(error.message);
      // V1: a child that could not be spawned never exits.
      if (child.pid === undefined) end(null, null);
    });
    child.once('exit', (code, signal) => {
      // What it wrote last is told by `close`; whoever holds its output open is not waited for.
      const cancel = alarm.after(AGENT_LIMITS.hostOutputMs, () => end(code, signal));
      child.once('close', () => {
        cancel();
        end(code, signal);
      });
    });
    return { osPid: child.pid ?? 0, stop: (graceMs) => this.stop(child, graceMs) };
  }

  /** For an agent that must leave now. */
  killAll(): void {
    for (const child of this.children) child.kill('SIGKILL');
  }

  private stop(child: ChildProcess, graceMs: number): void {
    if (graceMs <= 0) {
      child.kill('SIGKILL');
      return;
    }
    send(child, { kind: 'stop', graceMs });
    // V2.
    const cancel = this.parts.alarm.after(graceMs + AGENT_LIMITS.hostExitMs, () => {
      child.kill('SIGKILL');
    });
    child.once('exit', cancel);
  }

  private watchOutput(child: ChildProcess, pid: string): OutputTail {
    const tail = new OutputTail({
      nowMs: this.parts.nowMs,
      onLine: (line) => this.parts.onLine(pid, line),
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => tail.add(text));
    }
    return tail;
  }
}

function forkHost(entry: string, env: Readonly<Record<string, string>>): ChildProcess {
  try {
    return fork(entry, [], { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  } catch (cause) {
    throw new LlmosError('RESOURCE_EXHAUSTED', `no process host: ${String(cause)}`, { cause });
  }
}

/** A host that is just ending has no channel any more; its exit says the rest. */
function send(child: ChildProcess, message: ToHost): void {
  if (child.connected) child.send(message, () => undefined);
}
