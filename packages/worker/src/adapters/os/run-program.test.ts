import { runProgram } from './run-program';
import { systemAlarm } from './system-alarm';

const run = (script: string, more: Partial<Parameters<typeof runProgram>[0]> = {}) =>
  runProgram({
    ...{ file: process.execPath, args: ['-e', script], limitMs: 60_000, maxOutputBytes: 1_000 },
    ...more,
  });

describe('a program that is run to its end', () => {
  it('gives what it wrote', async () => {
    expect(await run('console.log(process.env.WORD)', { env: { WORD: 'here' } })).toEqual({
      kind: 'ended',
      stdout: 'here\n',
    });
  });

  it('fails by the last line of what it complained about, cut', async () => {
    const outcome = await run(`console.error('first\\n' + 'x'.repeat(999)); process.exit(3)`);
    expect(outcome).toEqual({ kind: 'failed', reason: 'x'.repeat(300) });
  });

  it('is ended beyond its time, its output or a signal, and where there is no such program', async () => {
    const spin = 'setInterval(() => 0, 1000)';
    const kinds = await Promise.all([
      run(spin, { limitMs: 50 }),
      run(`process.stdout.write('x'.repeat(100_000)); ${spin}`),
      run(spin, { signal: AbortSignal.abort() }),
      run('', { file: '/no/such/program' }),
    ]);
    expect(kinds.map(({ kind }) => kind)).toEqual(['failed', 'failed', 'failed', 'failed']);
    expect(kinds[0]).toMatchObject({ reason: 'no answer within 50 ms' });
  });
});

it('an alarm rings once after its time, and not where it was cancelled', async () => {
  const rung: string[] = [];
  systemAlarm.after(0, () => rung.push('cancelled'))();
  await new Promise<void>((resolve) => {
    systemAlarm.after(5, () => {
      rung.push('after');
      resolve();
    });
  });
  expect(rung).toEqual(['after']);
});
