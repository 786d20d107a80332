/** Three minutes of steady mixed load on a system of its own: nothing fails, nothing grows. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { repositoryFolder } from '../support/shared-folder';

const LIMIT_MS = 10 * 60_000;

interface SoakReport {
  readonly restarted: readonly string[];
  readonly requests: Readonly<Record<string, { readonly done: number; readonly failed: number }>>;
  readonly figures: readonly { readonly name: string; readonly holds: boolean }[];
}

it(
  'a system under load for three minutes answers everything and grows nowhere',
  async () => {
    const { requests, restarted, figures } = await soak(['--minutes', '3']);
    expect(restarted).toEqual([]);
    expect(Object.entries(requests).filter(([, { failed }]) => failed > 0)).toEqual([]);
    expect(Object.entries(requests).filter(([, { done }]) => done === 0)).toEqual([]);
    expect(figures.filter(({ holds }) => !holds)).toEqual([]);
    const names = figures.map(({ name }) => name);
    expect(names).toContain('kernel-1 rssBytes');
    expect(names).toContain('storyteller@1 rssBytes');
    expect(names).toContain('jetstream consumers');
  },
  LIMIT_MS,
);

async function soak(args: readonly string[]): Promise<SoakReport> {
  const program = join(repositoryFolder, 'tests/dist/bench/soak.js');
  const child = spawn(process.execPath, [program, ...args], {
    cwd: repositoryFolder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const limit = setTimeout(() => child.kill('SIGTERM'), LIMIT_MS - 10_000);
  try {
    let output = '';
    for await (const part of child.stdout.setEncoding('utf8')) output += String(part);
    return JSON.parse(output) as SoakReport;
  } finally {
    clearTimeout(limit);
    child.kill('SIGTERM');
  }
}
