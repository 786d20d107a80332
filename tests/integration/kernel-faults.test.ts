/** What the kernel does when something around it is full, foreign or broken. */
import { credentials } from '@grpc/grpc-js';
import { BUCKETS, STREAMS, decodeJson } from '@llmos/base';
import * as wire from '@llmos/proto/node';
import { RetentionPolicy, headers as newHeaders } from 'nats';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { startNatsServer } from '../support/nats-server';
import { waitFor } from '../support/wait-for';

let bench: KernelBench;

beforeEach(async () => {
  bench = await startKernelBench();
});
afterEach(() => bench.stop());

async function messagesIn(stream: string): Promise<number> {
  return (await bench.manager.streams.info(stream)).state.messages;
}

it('writes a dead letter, then the error, after the last attempt that might have helped', async () => {
  await bench.untilLeading(await bench.startKernel());
  const fail = () => ({ code: 'UNAVAILABLE', retryable: true, message: 'no\r\nluck' });
  const node = await bench.startNode({ fail });
  const headers = newHeaders();
  headers.set('Llmos-Id', 'doomed');
  headers.set('Llmos-Max-Attempts', '2');
  headers.set('Llmos-Parent', 'family');
  headers.set('X-Other', 'dropped');
  await bench.jetstream.publish('llmos.v1.task.batch.acme.echo', '"body"', { headers });
  await waitFor(async () => (await messagesIn(STREAMS.dead)) === 1, { what: 'a dead letter' });
  await waitFor(async () => (await messagesIn(STREAMS.tasks)) === 0, { what: 'the end' });

  const subject = 'llmos.v1.dead.acme.echo';
  const letter = await bench.manager.streams.getMessage(STREAMS.dead, { last_by_subj: subject });
  expect(new TextDecoder().decode(letter.data)).toBe('"body"');
  const get = (name: string): string => letter.header.get(name);
  expect([get('Llmos-Id'), get('Llmos-Attempts'), get('Llmos-Parent')]).toEqual([
    'doomed',
    '2',
    'family',
  ]);
  expect(get('Llmos-Last-Error')).toBe('UNAVAILABLE: no luck');
  expect(JSON.parse(get('Llmos-History'))).toEqual(
    [1, 2].map((attempt) => ({ attempt, code: 'UNAVAILABLE', message: 'no luck' })),
  );
  expect(letter.header.has('X-Other')).toBe(false);

  const result = await bench.manager.streams.getMessage(STREAMS.results, {
    last_by_subj: 'llmos.v1.result.acme.doomed',
  });
  expect(decodeJson(result.data)).toMatchObject({ ok: false, error: { code: 'UNAVAILABLE' } });
  expect(node.ran).toEqual(['acme/doomed#1', 'acme/doomed#2']);
  // The row that counted the attempts is gone, without a trace.
  const rows = `KV_${BUCKETS.attempts}`;
  await waitFor(async () => (await messagesIn(rows)) === 0, { what: 'the attempts row to go' });
});

it('says when the queue is full, and when to come back', async () => {
  await bench.untilLeading(await bench.startKernel({ LLMOS_STORAGE_BYTES: '67108864' }));
  const body = Buffer.from(JSON.stringify('x'.repeat(900_000)));
  const submit = () => bench.request('llmos.v1.submit.default.echo', body);
  const refused = await waitFor(
    async () => {
      const answer = await submit();
      // A server on a busy machine may once not answer in time.
      return answer.ok || answer.error?.code === 'UNAVAILABLE' ? undefined : answer.error;
    },
    { what: 'the queue to be full', everyMs: 1 },
  );
  expect(refused).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    retryable: true,
    details: { retryAfterMs: 1_000 },
  });
});

it('takes no more while the results are full, and goes on once there is room', async () => {
  const kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  const readiness = async () => {
    const answer = await fetch(`${kernel.httpUrl}/readyz`);
    return { status: answer.status, ...((await answer.json()) as object) };
  };
  const submit = () => bench.request('llmos.v1.submit.default.echo', 1);
  expect((await submit()).ok).toBe(true);
  const { config } = await bench.manager.streams.info(STREAMS.results);
  await bench.manager.streams.update(STREAMS.results, { ...config, max_bytes: 1_024 });
  const refused = await waitFor(async () => (await submit()).error, { what: 'a refusal' });
  expect(refused).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    retryable: true,
    message: 'the stored results are full: 0 of 1024 bytes in LLMOS_RESULTS',
  });
  expect(await readiness()).toMatchObject({ status: 503, state: 'results-full' });
  await bench.manager.streams.update(STREAMS.results, config);
  await waitFor(async () => (await submit()).ok, { what: 'a task to be taken' });
  expect(await readiness()).toMatchObject({ status: 200, state: 'leading' });
});

it('refuses to start on a stream of another kind, and names it', async () => {
  await bench.manager.streams.add({
    name: STREAMS.tasks,
    subjects: ['llmos.v1.task.batch.*.*'],
    retention: RetentionPolicy.Limits,
  });
  await expect(bench.startKernel()).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: expect.stringMatching(/LLMOS_TASKS.*limits.*workqueue/) as string,
  });
});

it('refuses to start beside a stream that takes its subjects, and names them', async () => {
  await bench.manager.streams.add({ name: 'MINE', subjects: ['llmos.v1.result.>'] });
  await expect(bench.startKernel()).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: expect.stringContaining('llmos.v1.result.*.*') as string,
  });
});

it('says clearly that there is no server, or no JetStream', async () => {
  const absent = { LLMOS_SERVERS: 'nats://127.0.0.1:9', LLMOS_CONNECT_WAIT_MS: '0' };
  await expect(bench.startKernel(absent)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('127.0.0.1:9') as string,
  });
  const plain = await startNatsServer({ jetstream: false });
  try {
    await expect(bench.startKernel({ LLMOS_SERVERS: plain.url })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('JetStream') as string,
    });
  } finally {
    await plain.stop();
  }
});

it('goes on when rows of the registry and reports of processes are garbage', async () => {
  await bench.untilLeading(await bench.startKernel());
  await bench.startNode();
  const models = await bench.jetstream.views.kv(BUCKETS.models, { bindOnly: true });
  await models.put('evil/1', '{"name":"../../etc"}');
  await models.put('evil/2', 'not json');
  const functions = await bench.jetstream.views.kv(BUCKETS.functions, { bindOnly: true });
  const echo = { name: 'echo', description: '', input: {}, output: {}, runs: 'model' };
  await functions.put('echo', JSON.stringify(echo));
  for (const garbage of ['', 'garbage', '\u0008\u0001\u0012\u00ff']) {
    bench.connection.publish('llmos.v1.report.node-1.p1-1', garbage);
    bench.connection.publish('llmos.v1.report.no such.p1', garbage.slice(0, 0));
  }
  const answer = await bench.request('llmos.v1.call.default.echo', 'still here');
  expect(answer.output).toBe('still here');
  expect((await bench.request('llmos.v1.sys.default.models', {})).output).toEqual({ models: [] });
});

describe('node agents', () => {
  type Attached = ReturnType<wire.NodeRegistryServiceClient['attach']>;
  const register: wire.Register = {
    node: 'node-9',
    session: 'one',
    cores: 1,
    memoryBytes: 1,
    devices: [],
    providers: [],
    versions: {},
    labels: {},
    processes: [],
  };
  const clients: wire.NodeRegistryServiceClient[] = [];
  afterEach(() => clients.splice(0).forEach((client) => client.close()));

  function attach(grpcUrl: string): {
    stream: Attached;
    seen: wire.KernelMessage[];
    end: Promise<string>;
  } {
    const client = new wire.NodeRegistryServiceClient(grpcUrl, credentials.createInsecure());
    clients.push(client);
    const stream = client.attach();
    const seen: wire.KernelMessage[] = [];
    stream.on('data', (message: wire.KernelMessage) => seen.push(message));
    const end = new Promise<string>((resolve) => {
      stream.on('error', (error) => resolve(error.message));
      stream.on('end', () => resolve('end'));
    });
    return { stream, seen, end };
  }

  it('are sent to the leader by a kernel that does not lead', async () => {
    const leader = await bench.startKernel();
    await bench.untilLeading(leader);
    const follower = await bench.startKernel();
    await waitFor(async () => (await fetch(`${follower.httpUrl}/readyz`)).ok, {
      what: 'the follower',
    });
    const { stream, seen, end } = attach(follower.grpcUrl);
    stream.write({ message: { $case: 'register', value: register } });
    expect(await end).toBe('end');
    expect(seen[0]?.message).toEqual({
      $case: 'notLeader',
      value: { leaderUrl: leader.grpcUrl },
    });
  });

  it('are refused with the reason when they break the protocol', async () => {
    const kernel = await bench.startKernel();
    await bench.untilLeading(kernel);
    const early = attach(kernel.grpcUrl);
    const beat = { freeMemoryBytes: 1, contexts: [], memory: [] };
    early.stream.write({ message: { $case: 'heartbeat', value: beat } });
    expect(await early.end).toContain('register');
    const wrong = attach(kernel.grpcUrl);
    wrong.stream.write({ message: { $case: 'register', value: { ...register, node: 'a b' } } });
    expect(await wrong.end).toContain('a b');
    const fine = attach(kernel.grpcUrl);
    fine.stream.write({ message: { $case: 'register', value: register } });
    await waitFor(() => fine.seen[0]?.message?.$case === 'welcome', { what: 'a welcome' });
  });

  it('are replaced by a newer session of the same node, and come back once it is gone', async () => {
    const kernel = await bench.startKernel();
    await bench.untilLeading(kernel);
    const old = attach(kernel.grpcUrl);
    old.stream.write({ message: { $case: 'register', value: register } });
    await waitFor(() => old.seen.length > 0, { what: 'the first welcome' });
    const fresh = attach(kernel.grpcUrl);
    fresh.stream.write({ message: { $case: 'register', value: { ...register, session: 'two' } } });
    await waitFor(() => fresh.seen.length > 0, { what: 'the second welcome' });
    expect(await old.end).toBe('end');
    const nodes = (await bench.request('llmos.v1.sys.default.nodes', {})).output?.['nodes'];
    expect(nodes).toMatchObject([{ node: 'node-9', state: 'alive' }]);

    // Two workers of one name must not take the node from each other for ever.
    const back = attach(kernel.grpcUrl);
    back.stream.write({ message: { $case: 'register', value: register } });
    expect(await back.end).toMatch(/ALREADY_EXISTS.*node-9.*LLMOS_NODE/);
    fresh.stream.end();
    expect(await fresh.end).toBe('end');
    const alone = attach(kernel.grpcUrl);
    alone.stream.write({ message: { $case: 'register', value: register } });
    await waitFor(() => alone.seen.length > 0, { what: 'the third welcome' });
  });
});
