import { asTarget } from '@llmos/base';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeId, ProcessId } from '@llmos/base';
import type { HostSpec } from '../actors/host-protocol';
import type { HostEnd } from './host-supervisor';
import { HostSupervisor } from './host-supervisor';

const SPEC: HostSpec = {
  node: 'n1' as NodeId,
  pid: 'p1-1' as ProcessId,
  incarnation: 1,
  target: asTarget('echo'),
  servers: [],
  logLevel: 'silent',
  device: 'cpu',
  cores: 1,
};

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmos-supervisor-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program as a host to its end; alarms never ring. */
function run(program: string, stop?: (host: { stop(graceMs: number): void }) => void) {
  const hostEntry = join(folder, 'host.cjs');
  writeFileSync(hostEntry, program);
  const lines: string[] = [];
  const supervisor = new HostSupervisor({
    hostEntry,
    env: { PATH: process.env['PATH'] ?? '' },
    alarm: { after: () => () => undefined },
    nowMs: () => 0,
    onLine: (pid, line) => lines.push(`${pid} ${line}`),
  });
  const ended = new Promise<HostEnd>((resolve) => {
    const host = supervisor.start(SPEC, { message: () => undefined, ended: resolve });
    stop?.(host);
  });
  return { ended, lines };
}

describe('host supervisor', () => {
  it('tells the last words of a host that wrote much and died at once', async () => {
    const { ended, lines } = run(`
      const { writeSync } = require('node:fs');
      const { spawn } = require('node:child_process');
      writeSync(2, 'first\\n' + 'x'.repeat(60000) + '\\n');
      // Writes once its parent has ended, and the supervisor has seen it. By number: a shell that
      // begins after its parent has ended has another one.
      const wait = 'while kill -0 ' + process.pid + ' 2>/dev/null; do sleep 0.01; done';
      const late = spawn('sh', ['-c', wait + '; printf "out of memory" >&2'], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      late.once('spawn', () => process.kill(process.pid, 'SIGKILL'));
    `);
    const end = await ended;
    expect(end.signal).toBe('SIGKILL');
    expect(end.tail).toMatch(/x\nout of memory$/);
    expect(lines[0]).toBe('p1-1 first');
    expect(lines.at(-1)).toBe('p1-1 out of memory');
  });

  it('tells how a host ended that could not even begin', async () => {
    const { ended } = run('throw new Error("no such model")');
    const end = await ended;
    expect(end).toMatchObject({ exitCode: 1, signal: null });
    expect(end.tail).toContain('no such model');
  });

  it('kills a host at once where there is no grace', async () => {
    const { ended } = run('setInterval(() => undefined, 1000)', (host) => host.stop(0));
    expect(await ended).toMatchObject({ exitCode: null, signal: 'SIGKILL' });
  });
});
