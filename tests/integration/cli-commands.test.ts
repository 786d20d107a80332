/** The commands of `llmos` against a real system: events, dead letters, attach, bench, doctor. */
import { runCli } from '@llmos/cli';
import { connect as connectSdk } from '@llmos/sdk';
import { connect, headers } from 'nats';
import type { NatsConnection } from 'nats';
import { PATIENT, startNatsServer } from '../support/nats-server';
import { startTestSystem } from '../support/test-system';
import type { TestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

/** Where no server answers: a port that no program is given by chance. */
const NOBODY = 'nats://127.0.0.1:9';

let system: TestSystem;
let nats: NatsConnection;
beforeAll(async () => {
  system = await startTestSystem({ models: ['storyteller'] });
  nats = await connect({ servers: system.nats.url });
});
afterAll(async () => {
  await nats?.close();
  await system?.stop();
});

interface Running {
  readonly out: () => string;
  readonly stop: () => void;
  readonly ended: Promise<{ exitCode: number; out: string; err: string }>;
}

function start(args: readonly string[], servers = system.nats.url): Running {
  let out = '';
  let err = '';
  const controller = new AbortController();
  const ended = runCli(args, {
    out: { write: (text) => (out += text) },
    err: { write: (text) => (err += text) },
    env: { LLMOS_SERVERS: servers, XDG_CONFIG_HOME: '/nowhere', PATH: process.env['PATH'] },
    folder: '/nowhere',
    signal: controller.signal,
    readStdin: async () => '',
  }).then((exitCode) => ({ exitCode, out, err }));
  return { out: () => out, stop: () => controller.abort(), ended };
}

async function run(...args: readonly string[]): Promise<string> {
  const { exitCode, out, err } = await start(args).ended;
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' });
  return out;
}

function linesOf(out: string): Record<string, unknown>[] {
  const lines = out.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

interface Check {
  readonly name: string;
  readonly state: string;
}

function reportOf(out: string): { ok: boolean; checks: Check[] } {
  return JSON.parse(out) as { ok: boolean; checks: Check[] };
}

describe('llmos events', () => {
  it('lists what happened, and follows what happens until Ctrl-C', async () => {
    await run('run', 'echo', '1', '--id', 'before');
    await waitFor(async () => (await run('events', '--json')).includes('"before"'), {
      what: 'the event to be stored',
    });
    const listed = linesOf(await run('events', '--entity', 'task', '--json'));
    expect(listed).toContainEqual(
      expect.objectContaining({ entity: 'task', id: 'before', what: 'completed' }),
    );
    expect(listed.every((event) => event['entity'] === 'task')).toBe(true);

    const following = start(['events', '-f', '-n', '0', '--json']);
    await waitFor(
      async () => {
        await run('run', 'echo', '2');
        return following.out().includes('completed');
      },
      { what: 'the event to be seen' },
    );
    following.stop();
    expect((await following.ended).exitCode).toBe(0);
    expect(following.out()).not.toContain('"before"');
  });
});

describe('llmos dead', () => {
  async function bury(id: string, body: string): Promise<void> {
    const letter = headers();
    letter.set('Llmos-Id', id);
    letter.set('Llmos-Class', 'batch');
    letter.set('Llmos-Priority', '7');
    letter.set('Llmos-Reason', 'attempts-exhausted');
    letter.set('Llmos-Attempts', '3');
    letter.set('Llmos-Last-Error', 'UNAVAILABLE: the process died');
    letter.set('Llmos-History', '[{"attempt":3,"code":"UNAVAILABLE"}]');
    const payload = new TextEncoder().encode(body);
    await nats
      .jetstream(PATIENT)
      .publish('llmos.v1.dead.default.echo', payload, { headers: letter });
  }

  it('lists, shows and retries a task as the child of the dead one, then drops it', async () => {
    await bury('dead-1', '{"again":true}');
    expect(JSON.parse(await run('dead', 'list', '--json'))).toEqual([
      expect.objectContaining({
        id: 'dead-1',
        function: 'echo',
        class: 'batch',
        attempts: 3,
        lastError: 'UNAVAILABLE: the process died',
        history: [{ attempt: 3, code: 'UNAVAILABLE' }],
        input: { again: true },
      }),
    ]);
    expect(await run('dead', 'show', 'dead-1')).toContain('attempts-exhausted');

    const tasks = nats.subscribe('llmos.v1.task.batch.default.echo', { max: 1 });
    await nats.flush();
    expect(JSON.parse(await run('dead', 'retry', 'dead-1', '--wait', '--json'))).toEqual({
      again: true,
    });
    for await (const task of tasks) {
      expect(task.headers?.get('Llmos-Parent')).toBe('dead-1');
      expect(task.headers?.get('Llmos-Priority')).toBe('7');
      expect(task.headers?.get('Llmos-Id')).not.toBe('dead-1');
    }

    expect(await run('dead', 'drop', 'dead-1')).toBe('dropped dead-1\n');
    expect(await run('dead', 'list')).toBe('no dead letters\n');
    const missing = await start(['dead', 'retry', 'dead-1', '--json']).ended;
    expect(missing.exitCode).toBe(1);
    expect(JSON.parse(missing.out)).toMatchObject({ ok: false, error: { code: 'NOT_FOUND' } });
  });
});

describe('a task whose process dies as often as it may be tried', () => {
  it('is a dead letter, which can be tried again', async () => {
    // Long enough to be killed in the middle.
    const tokens = { minTokens: 400, maxTokens: 400 };
    const input = JSON.stringify({ model: 'storyteller', prompt: 'Once', ...tokens });
    // The model is loaded first, so that its process is there to be killed.
    await run('run', 'generate', '{"model":"storyteller","prompt":"Once","maxTokens":1}');
    const ids = Array.from({ length: 16 }, (_, index) => `doomed-${index}`);
    const submits = ids.map((id) =>
      run('submit', 'generate', input, '--id', id, '--max-attempts', '1', '--class', 'batch'),
    );
    await Promise.all(submits);
    const host = await waitFor(
      async () =>
        (await system.os.ps()).find((row) => row.model === 'storyteller@1' && row.running),
      { what: 'the tasks to run', everyMs: 1 },
    );
    process.kill(host.osPid ?? 0, 'SIGKILL');
    const dead = await waitFor(
      async () => {
        const letters = JSON.parse(await run('dead', 'list', '--json')) as { id: string }[];
        return letters.find((letter) => ids.includes(letter.id))?.id;
      },
      { what: 'a dead letter', everyMs: 100 },
    );
    const failed = await start(['result', dead, '--json']).ended;
    expect(failed.exitCode).toBe(1);
    expect(JSON.parse(failed.out)).toMatchObject({ error: { code: 'UNAVAILABLE' } });
    const told = JSON.parse(
      await run('dead', 'retry', dead, '--wait', '--drop', '--json'),
    ) as object;
    expect(told).toMatchObject({ text: expect.any(String), finishReason: expect.any(String) });
  });
});

describe('llmos attach', () => {
  it('follows a generation that another command submitted, from any token', async () => {
    const input = JSON.stringify({ model: 'storyteller', prompt: 'Once', maxTokens: 24, seed: 1 });
    await run('submit', 'generate', input, '--stream', '--id', 'tale');
    const chunks = linesOf(await run('attach', 'tale', '--json'));
    const { text, tokens } = JSON.parse(await run('result', 'tale', '--json')) as {
      text: string;
      tokens: number[];
    };
    expect(chunks.map((chunk) => chunk['text']).join('')).toBe(text);
    expect(chunks.flatMap((chunk) => chunk['tokens'])).toEqual(tokens);

    const later = linesOf(await run('attach', 'tale', '--from', '10', '--json'));
    const first = later[0] as { index: number; tokens: number[] };
    expect(first.index).toBeLessThanOrEqual(10);
    expect(first.index + first.tokens.length).toBeGreaterThan(10);
    expect(later.flatMap((chunk) => chunk['tokens'])).toEqual(tokens.slice(first.index));
    expect(await run('attach', 'tale')).toBe(`${text}\n`);
  });
});

it('llmos attach says that it waits for a task that nobody knows', async () => {
  const attached = start(['attach', 'nobody', '--timeout-ms', '50']);
  const { exitCode, err } = await attached.ended;
  expect(exitCode).toBe(1);
  expect(err).toMatch(/^task nobody is not known, or not yet/);
  expect(err).toContain('(DEADLINE_EXCEEDED)');
});

describe('llmos bench', () => {
  it('prints figures of a load that this client makes', async () => {
    const args = ['bench', 'echo', '7', '--concurrency', '2', '--seconds', '1', '--json'];
    const { figures, errors } = JSON.parse(await run(...args)) as {
      figures: { name: string; value: number }[];
      errors: object;
    };
    expect(errors).toEqual({});
    const names = figures.map((figure) => figure.name);
    expect(names).toEqual([
      ...['calls', 'failed calls', 'throughput'],
      ...['latency p50', 'latency p90', 'latency p99', 'latency max'],
    ]);
    expect(figures[0]?.value).toBeGreaterThan(0);
  });
});

describe('llmos doctor', () => {
  it('finds nothing wrong with a system that runs', async () => {
    const { exitCode, out } = await start(['doctor', '--json']).ended;
    const { ok, checks } = reportOf(out);
    expect(checks.filter((check) => check.state === 'problem')).toEqual([]);
    expect({ ok, exitCode }).toEqual({ ok: true, exitCode: 0 });
    const names = checks.map((check) => check.name);
    expect(names).toEqual(
      expect.arrayContaining(['node', 'nats', 'jetstream', 'LLMOS_RESULTS', 'kernel', 'nodes']),
    );
    expect(names).toEqual(expect.arrayContaining(['models', 'round trip', 'clock']));
  });

  it('says what to do where JetStream is off, no kernel runs, or no server answers', async () => {
    const plain = await startNatsServer({ jetstream: false });
    try {
      const { exitCode, out } = await start(['doctor'], plain.url).ended;
      expect(exitCode).toBe(1);
      expect(out).toMatch(/✗ jetstream +off\n +→ add `jetstream \{\}`/);
    } finally {
      await plain.stop();
    }
    const bare = await startNatsServer();
    try {
      const { exitCode, out } = await start(['doctor', '--json'], bare.url).ended;
      expect(exitCode).toBe(1);
      const problems = reportOf(out).checks.filter((check) => check.state === 'problem');
      expect(problems.map((check) => check.name)).toEqual(['streams', 'kernel']);
    } finally {
      await bare.stop();
    }
    const { exitCode, out } = await start(['doctor', '--json'], NOBODY).ended;
    expect(exitCode).toBe(1);
    const { ok, checks } = reportOf(out);
    expect(ok).toBe(false);
    expect(checks).toContainEqual(
      expect.objectContaining({ name: 'nats', state: 'problem', advice: expect.any(String) }),
    );
  });
});

describe('results prune', () => {
  it('removes what is older than it says, and what of this tenant alone', async () => {
    const client = await connectSdk({ servers: system.nats.url });
    const other = await connectSdk({ servers: system.nats.url, tenant: 'other' });
    try {
      await client.call('echo', 1, { id: 'prune-1' });
      await other.call('echo', 1, { id: 'prune-1' });
      const young = await run('results', 'prune', '--older-than', '60s', '--json');
      expect(JSON.parse(young)).toEqual({ removed: 0 });
      const now = Date.now();
      const clock = jest.spyOn(Date, 'now').mockReturnValue(now + 120_000);
      const out = await run('results', 'prune', '--older-than', '60s').finally(() =>
        clock.mockRestore(),
      );
      expect(out).toMatch(/^removed \d+ results?\n$/);
      expect(out).not.toContain('removed 0');
      const gone = client.task('prune-1').result({ timeoutMs: 500 });
      await expect(gone).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
      expect(await other.task('prune-1').result()).toBe(1);
    } finally {
      await Promise.all([client.close(), other.close()]);
    }
  });
});
