/** The client against a stand-in kernel on a real NATS server: calls, tasks, results, cancel. */
import { errorBody, failure, success } from '@llmos/base';
import { connect } from '@llmos/sdk';
import type { LlmosClient } from '@llmos/sdk';
import { FakeKernel } from '../support/fake-kernel';
import type { FakeFunction } from '../support/fake-kernel';
import { startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { waitFor } from '../support/wait-for';

/** Ends when the test says so. */
function gate(): { open: () => void; opened: Promise<void> } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

let server: TestNatsServer;
let kernel: FakeKernel;
let os: LlmosClient;
let held = gate();

const functions: Record<string, FakeFunction> = {
  echo: (task) => task.input,
  fail: () => {
    throw new Error('no such thing');
  },
  headers: (task) => ({
    class: task.header('Llmos-Class'),
    priority: task.header('Llmos-Priority'),
    timeoutMs: task.header('Llmos-Timeout-Ms'),
    key: task.header('Llmos-Key'),
    model: task.header('Llmos-Model'),
    isIdNew: task.header('Llmos-Id-New'),
  }),
  hold: async () => {
    await held.opened;
    return 'held';
  },
};

beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server.stop());

beforeEach(async () => {
  held = gate();
  kernel = await FakeKernel.start({
    url: server.url,
    functions,
    systemCalls: {
      status: () => ({ state: 'running', class: 'standard', function: 'hold', attempts: 1 }),
      ps: () => ({ processes: [] }),
      kill: (request) => request,
    },
  });
  os = await connect({ servers: server.url, timeoutMs: 60_000 });
});
afterEach(async () => {
  held.open();
  await os.close();
  await kernel.stop();
});

describe('call', () => {
  it('answers the output of the function', async () => {
    await expect(os.echo({ a: ['ü', null, 1.5] })).resolves.toEqual({ a: ['ü', null, 1.5] });
    await expect(os.call('echo', 'x')).resolves.toBe('x');
  });

  it('throws the error of the task, with its code', async () => {
    const outcome = os.call('missing', {});
    await expect(outcome).rejects.toMatchObject({ name: 'LlmosError', code: 'NOT_FOUND' });
    await expect(os.call('fail', {})).rejects.toMatchObject({ code: 'INTERNAL', retryable: false });
  });

  it('carries its options as headers', async () => {
    const options = { class: 'batch', priority: 9, key: 'k1', timeoutMs: 70_000 } as const;
    const seen = (await os.call('headers', {}, options)) as Record<string, string>;
    expect(seen).toMatchObject({ class: 'batch', priority: '9', key: 'k1' });
    // What is left of the caller's time when it is sent.
    expect(Number(seen['timeoutMs'])).toBeGreaterThan(0);
    expect(Number(seen['timeoutMs'])).toBeLessThanOrEqual(70_000);
  });

  it('says of an id that it made itself that it is new, and of no other', async () => {
    expect(await os.call('headers', {})).toMatchObject({ isIdNew: 'true' });
    expect(await os.call('headers', {}, { id: 'mine' })).toMatchObject({ isIdNew: '' });
    const task = await os.submit('headers', {});
    expect(await task.result()).toMatchObject({ isIdNew: 'true' });
  });

  it('names the model of a large input in a header', async () => {
    const input = { model: 'm@2', text: 'x'.repeat(100_000) };
    await expect(os.call('headers', input)).resolves.toMatchObject({ model: 'm@2' });
  });

  it('refuses a body above the limit before it is sent', async () => {
    const outcome = os.echo('x'.repeat(1024 * 1024));
    await expect(outcome).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { bytes: 1024 * 1024 + 2, limitBytes: 1024 * 1024 - 64 * 1024 },
    });
    expect(kernel.heard).toEqual([]);
  });

  it('waits for a kernel that is not there yet', async () => {
    kernel.deafen();
    await kernel.connection.flush();
    const outcome = os.echo(1);
    kernel.listen();
    await expect(outcome).resolves.toBe(1);
  });

  it('ends with UNAVAILABLE where no kernel comes', async () => {
    kernel.deafen();
    await kernel.connection.flush();
    // Longer than a machine may stand still: silence is another error.
    await expect(os.call('echo', 1, { timeoutMs: 5_000 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
    });
  });

  it('asks again with the same id when an answer is lost, and the task runs once', async () => {
    kernel.silentAnswers = 1;
    await expect(os.echo('once')).resolves.toBe('once');
    expect(kernel.runs).toEqual(['echo']);
  });

  it('ends with CANCELLED and cancels the task when its signal aborts', async () => {
    const abort = new AbortController();
    const outcome = os.call('hold', {}, { signal: abort.signal, id: 'abort1' });
    await waitFor(() => kernel.runs.length === 1, { what: 'the task to run' });
    abort.abort();
    await expect(outcome).rejects.toMatchObject({ code: 'CANCELLED' });
    await waitFor(() => kernel.heard.includes('cancel'), { what: 'the cancel message' });
    await expect(os.task('abort1').result()).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('ends with DEADLINE_EXCEEDED after its time limit', async () => {
    const outcome = os.call('hold', {}, { timeoutMs: 200 });
    await expect(outcome).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it('refuses a deadline that is over', async () => {
    const outcome = os.call('echo', 1, { deadline: new Date(2020, 1, 1) });
    await expect(outcome).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(kernel.heard).toEqual([]);
  });
});

describe('submit', () => {
  it('answers a handle whose result comes when the task has ended', async () => {
    const task = await os.submit('hold', {}, { id: 'h1' });
    expect(task).toMatchObject({ id: 'h1', isDuplicate: false });
    await expect(task.status()).resolves.toMatchObject({ state: 'running' });
    const result = task.result();
    held.open();
    await expect(result).resolves.toBe('held');
    await expect(task.status()).resolves.toEqual({ state: 'finished', ok: true });
  });

  it('says that an id is known already, and has the result of the first task', async () => {
    const first = await os.submit('echo', 'first', { id: 'twice' });
    const second = await os.submit('echo', 'second', { id: 'twice' });
    expect(second.isDuplicate).toBe(true);
    await expect(second.result()).resolves.toBe('first');
    await expect(first.result()).resolves.toBe('first');
    expect(kernel.runs).toEqual(['echo']);
  });

  it('lets another client attach by id', async () => {
    const { id } = await os.submit('echo', 'over there');
    const other = await connect({ servers: server.url });
    try {
      await expect(other.task(id).result()).resolves.toBe('over there');
    } finally {
      await other.close();
    }
  });

  it('keeps tenants apart', async () => {
    const other = await connect({ servers: server.url, tenant: 'acme' });
    try {
      await other.submit('echo', 'theirs', { id: 'same-id' });
      const mine = await os.submit('echo', 'mine', { id: 'same-id' });
      expect(mine.isDuplicate).toBe(false);
      await expect(other.task('same-id').result()).resolves.toBe('theirs');
      await expect(mine.result()).resolves.toBe('mine');
    } finally {
      await other.close();
    }
  });

  it('believes the stored result, not a losing commit that it sees first', async () => {
    const task = await os.submit('hold', {}, { id: 'fenced' });
    const result = task.result();
    await os.ps(); // the server has the subscription now
    kernel.publishLosingResult({ tenant: 'default', task: 'fenced' }, success('impostor'));
    kernel.publishLosingResult(
      { tenant: 'default', task: 'fenced' },
      failure(errorBody('INTERNAL', 'impostor')),
    );
    await kernel.connection.flush();
    held.open();
    await expect(result).resolves.toBe('held');
  });

  it('cancels a running task and waits until it has ended', async () => {
    const task = await os.submit('hold', {});
    await expect(task.cancel()).resolves.toBe(true);
    await expect(task.result()).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(task.status()).resolves.toMatchObject({ state: 'finished', ok: false });
  });

  it('does not cancel a task that has ended', async () => {
    const task = await os.submit('echo', 1);
    await task.result();
    await expect(task.cancel()).resolves.toBe(false);
  });

  it('gives up waiting, not the task, when the signal of result aborts', async () => {
    const task = await os.submit('hold', {});
    const abort = new AbortController();
    const result = task.result({ signal: abort.signal });
    abort.abort();
    await expect(result).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(kernel.heard).not.toContain('cancel');
    await expect(task.result({ timeoutMs: 50 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
  });

  it('waits for the result of a task nobody knows, within its limit', async () => {
    const outcome = os.task('nobody').result({ timeoutMs: 100 });
    await expect(outcome).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it('refuses an id that would forge a subject', () => {
    expect(() => os.task('a.b c\r\nPUB x 0')).toThrow('task id is');
  });
});

describe('the connection', () => {
  it('survives a restart of the server while results are awaited', async () => {
    const task = await os.submit('hold', {}, { id: 'patient' });
    const result = task.result();
    const call = os.call('hold', {}, { id: 'patient-call' });
    await waitFor(() => kernel.runs.length === 2, { what: 'both tasks to run' });
    await server.restart();
    held.open();
    await expect(result).resolves.toBe('held');
    await expect(call).resolves.toBe('held');
    expect(kernel.runs).toEqual(['hold', 'hold']);
  });

  it('ends whoever still waits when it is closed, and closes twice', async () => {
    const task = await os.submit('hold', {});
    const waits = Promise.allSettled([task.result(), os.call('hold', {})]);
    await Promise.all([os.close(), os.close()]);
    for (const wait of await waits) {
      expect(wait).toMatchObject({ status: 'rejected', reason: { code: 'CANCELLED' } });
    }
    await expect(os.echo(1)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await expect(os.submit('echo', 1)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('names the servers where none answers', async () => {
    const outcome = connect({ servers: 'nats://127.0.0.1:1', timeoutMs: 2_000 });
    await expect(outcome).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('nats://127.0.0.1:1') as string,
    });
  });

  it('stops connecting when its signal aborts', async () => {
    const outcome = connect({ servers: server.url, signal: AbortSignal.abort() });
    await expect(outcome).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('refuses a tenant that is no token', async () => {
    await expect(connect({ tenant: 'a b' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('system calls', () => {
  it('answers what the leader answers', async () => {
    await expect(os.ps()).resolves.toEqual([]);
    await expect(os.kill('p1-1')).resolves.toEqual({ pid: 'p1-1' });
    await expect(os.nodes()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
