/** `submit`, `call` and system calls, answered by a real kernel. */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { PACKAGE_STORE, PROTOBUF_CONTENT_TYPE, packageObjectName } from '@llmos/base';
import { functions } from '@llmos/proto';
import { createInbox, headers as newHeaders } from 'nats';
import type { FakeNode } from '../support/fake-node';
import type { Answer, KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { waitFor } from '../support/wait-for';

let bench: KernelBench;
let node: FakeNode;

beforeAll(async () => {
  bench = await startKernelBench();
  await bench.untilLeading(await bench.startKernel());
  node = await bench.startNode();
});
afterAll(() => bench.stop());

function sys(call: string, body: unknown = {}, principal = 'default'): Promise<Answer> {
  return bench.request(`llmos.v1.sys.${principal}.${call}`, body);
}

describe('call', () => {
  it('answers with the committed result, unchanged', async () => {
    const answer = await bench.request('llmos.v1.call.default.echo', { hello: [1, 2, '3'] });
    expect(answer).toEqual({ ok: true, output: { hello: [1, 2, '3'] } });
  });

  it('answers a repeated id with the first result, without running it again', async () => {
    const headers = { 'Llmos-Id': 'call-1' };
    const first = await bench.request('llmos.v1.call.default.echo', 'first', { headers });
    const second = await bench.request('llmos.v1.call.default.echo', 'first', { headers });
    expect([first.output, second.output]).toEqual(['first', 'first']);
    expect(node.ran.filter((key) => key.startsWith('default/call-1#'))).toHaveLength(1);
  });

  it('answers two hundred at once, each with its own', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => bench.request('llmos.v1.call.default.echo', n)),
    );
    expect(answers.map((answer) => answer.output)).toEqual([...answers.keys()]);
  });

  it('answers an error in the format that was asked for', async () => {
    const headers = newHeaders();
    headers.set('Content-Type', PROTOBUF_CONTENT_TYPE);
    const body = functions.EmbedInput.encode(
      functions.EmbedInput.create({ model: 'absent', text: 'x' }),
    ).finish();
    const reply = await bench.connection.request('llmos.v1.call.default.embed', body, {
      headers,
      timeout: 60_000,
    });
    expect(reply.headers?.get('Content-Type')).toBe(PROTOBUF_CONTENT_TYPE);
    const { result } = functions.TaskResult.decode(reply.data);
    expect(result).toMatchObject({ $case: 'error', value: { code: 'NOT_FOUND' } });
  });

  it('does not let a caller steer JetStream through headers', async () => {
    const headers = { 'Nats-Expected-Last-Sequence': '1', 'Nats-Msg-Id': 'same' };
    const first = await bench.request('llmos.v1.call.default.echo', 1, { headers });
    const second = await bench.request('llmos.v1.call.default.echo', 2, { headers });
    expect([first.output, second.output]).toEqual([1, 2]);
  });

  it('does not answer a reply subject that is no inbox', async () => {
    const seen: string[] = [];
    const subscription = bench.connection.subscribe('llmos.v1.task.standard.default.echo', {
      callback: (_error, msg) => seen.push(msg.string()),
    });
    bench.connection.publish('llmos.v1.call.default.nothing', '1', {
      reply: 'llmos.v1.task.standard.default.echo',
    });
    await bench.request('llmos.v1.call.default.echo', 1);
    subscription.unsubscribe();
    expect(seen).toEqual([]);
  });
});

describe('refusals name what is wrong', () => {
  const cases: [string, string, unknown, Record<string, string>, string, string][] = [
    ['an unknown function', 'submit.default.nothing', 1, {}, 'NOT_FOUND', 'nothing'],
    [
      'an unknown field',
      'call.default.embed',
      { text: 'a', txt: 1 },
      {},
      'INVALID_ARGUMENT',
      'txt',
    ],
    [
      'a bad model',
      'submit.default.embed',
      { model: '//', text: 'a' },
      {},
      'INVALID_ARGUMENT',
      '//',
    ],
    ['a bad class', 'call.default.echo', 1, { 'Llmos-Class': 'now' }, 'INVALID_ARGUMENT', 'now'],
    ['a bad tenant', 'submit.d@fault.echo', 1, {}, 'INVALID_ARGUMENT', 'd@fault'],
    ['an id of others', 'submit.default.echo', 1, { 'Llmos-Id': 's5' }, 'INVALID_ARGUMENT', 's5'],
  ];
  it.each(cases)('%s', async (_name, subject, body, headers, code, part) => {
    const answer = await bench.request(`llmos.v1.${subject}`, body, { headers });
    expect(answer.error).toMatchObject({ code });
    expect(answer.error?.message).toContain(part);
  });

  it('a body that could not be forwarded, with both sizes', async () => {
    const size = (bench.connection.info?.max_payload ?? 0) - 65_536;
    const body = Buffer.from(`"${'x'.repeat(size)}"`);
    const answer = await bench.request('llmos.v1.submit.default.echo', body);
    expect(answer.error?.message).toContain(String(size + 2));
    expect(answer.error?.message).toContain(String(size));
  });
});

describe('submit', () => {
  it('answers the id, and says when it is a duplicate', async () => {
    const headers = { 'Llmos-Id': 'submit-1' };
    const first = await bench.request('llmos.v1.submit.default.echo', 1, { headers });
    expect(first.output).toMatchObject({ task: 'submit-1', duplicate: false });
    const again = await bench.request('llmos.v1.submit.default.echo', 1, { headers });
    expect(again.output).toMatchObject({ task: 'submit-1', duplicate: true });
    const unnamed = await bench.request('llmos.v1.submit.default.echo', 1);
    expect(unnamed.output?.['task']).toBe(`s${String(unnamed.output?.['sequence'])}`);
  });

  it('says of many at once of one id that all but one are duplicates', async () => {
    const headers = { 'Llmos-Id': 'submit-many' };
    const submit = () => bench.request('llmos.v1.submit.default.echo', 1, { headers });
    const answers = await Promise.all(Array.from({ length: 20 }, submit));
    const first = answers.filter((answer) => answer.output?.['duplicate'] === false);
    const sequences = answers.map((answer) => Number(answer.output?.['sequence']));
    expect(first.map((answer) => answer.output?.['sequence'])).toEqual([Math.min(...sequences)]);
  });

  it('puts the task into the class that the header names', async () => {
    const seen: string[] = [];
    const subscription = bench.connection.subscribe('llmos.v1.task.*.default.echo', {
      callback: (_error, msg) => seen.push(msg.subject.split('.')[3] ?? ''),
    });
    await bench.request('llmos.v1.submit.default.echo', 1);
    const headers = { 'Llmos-Class': 'batch' };
    await bench.request('llmos.v1.submit.default.echo', 1, { headers });
    await bench.request('llmos.v1.call.default.echo', 1);
    await waitFor(() => seen.length === 3, { what: 'three tasks to be seen' });
    subscription.unsubscribe();
    expect(seen).toEqual(['standard', 'batch', 'interactive']);
  });
});

describe('system calls', () => {
  it('shows nodes, processes, functions and the kernel', async () => {
    await bench.request('llmos.v1.call.default.echo', 1);
    const nodes = (await sys('nodes')).output?.['nodes'];
    expect(nodes).toMatchObject([{ node: 'node-1', state: 'alive', cores: 2 }]);
    const processes = (await sys('ps')).output?.['processes'];
    expect(processes).toMatchObject([{ model: 'echo', node: 'node-1', state: 'ready' }]);
    const known = (await sys('functions')).output?.['functions'] as { name: string }[];
    expect(known.map((row) => row.name)).toContain('generate');
    // The standard tasks of the tests before may still come in.
    const queued = async (): Promise<unknown> => (await sys('info')).output?.['queued'];
    const nothing = { interactive: 0, standard: 0, batch: 0 };
    await waitFor(async () => isDeepStrictEqual(await queued(), nothing), {
      what: 'nothing to be queued',
    });
  });

  it('says of a task what is known', async () => {
    expect((await sys('status', { task: 'never' })).output).toEqual({ state: 'unknown' });
    expect((await sys('status', { tsk: 1 })).error?.message).toContain('task');
  });

  it('keeps operator calls to operators', async () => {
    expect((await sys('kill', { pid: 'p1-1' }, 'acme')).error?.code).toBe('PERMISSION_DENIED');
    expect((await sys('kill', { pid: 'p1-99' })).error?.code).toBe('NOT_FOUND');
    expect((await sys('spawn', { model: 'absent', replicas: 1 })).error?.code).toBe('NOT_FOUND');
    expect((await sys('reboot')).error?.code).toBe('UNIMPLEMENTED');
  });

  it('spawns and kills processes of a built-in program', async () => {
    const spawned = await sys('spawn', { model: 'echo', replicas: 2 }, 'operator');
    expect(spawned.output).toEqual({ model: 'echo', replicas: 2 });
    const ready = async (): Promise<string[]> => {
      const rows = (await sys('ps')).output?.['processes'] as { pid: string; state: string }[];
      return rows.filter((row) => row.state === 'ready').map((row) => row.pid);
    };
    await waitFor(async () => (await ready()).length === 2, { what: 'two processes' });
    const [pid] = await ready();
    expect((await sys('kill', { pid })).ok).toBe(true);
    await waitFor(async () => !(await ready()).includes(pid ?? ''), { what: 'the kill' });
  });
});

describe('models', () => {
  const content = Buffer.from('weights');
  const sha256 = createHash('sha256').update(content).digest('hex');
  const request = {
    name: 'toy',
    digest: sha256,
    files: [{ path: 'onnx/model.onnx', sha256, bytes: content.length }],
    manifest: { task: 'embed', graph: 'onnx/model.onnx' },
    footprintBytes: 1_000,
  };

  it('registers only what is stored, numbers versions, and forgets what is removed', async () => {
    const refused = await sys('model-add', request);
    expect(refused.error).toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(refused.error?.message).toContain('onnx/model.onnx');
    const store = await bench.jetstream.views.os(PACKAGE_STORE);
    await store.putBlob({ name: packageObjectName(sha256) }, content);

    const first = await sys('model-add', request);
    expect(first.output).toMatchObject({ added: true, model: { name: 'toy', version: '1' } });
    await untilListed(1);
    const same = await sys('model-add', request);
    expect(same.output).toMatchObject({ added: false, model: { version: '1' } });
    const other = await sys('model-add', { ...request, digest: sha256.replace(/./, '0') });
    expect(other.output).toMatchObject({ added: true, model: { version: '2' } });
    const taken = await sys('model-add', { ...request, version: '2' });
    expect(taken.error?.code).toBe('ALREADY_EXISTS');
    await untilListed(2);
    const removed = await sys('model-remove', { model: 'toy' });
    expect(removed.output).toEqual({ removed: ['toy@1', 'toy@2'] });
    await untilListed(0);
    expect((await sys('model-remove', { model: 'toy' })).error?.code).toBe('NOT_FOUND');
  });

  it('refuses files that leave the package', async () => {
    const files = [{ path: '../evil', sha256, bytes: 1 }];
    const answer = await sys('model-add', { ...request, files });
    expect(answer.error?.message).toContain('../evil');
  });

  async function untilListed(count: number): Promise<void> {
    const listed = async (): Promise<number> =>
      ((await sys('models')).output?.['models'] as unknown[]).length;
    await waitFor(async () => (await listed()) === count, { what: `${count} models` });
  }
});

it('answers health, readiness and metrics over HTTP', async () => {
  const url = ((await sys('info')).output?.['httpUrl'] as string) ?? '';
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  const ready = await fetch(`${url}/readyz`);
  expect([ready.status, await ready.json()]).toMatchObject([
    200,
    { isReady: true, state: 'leading', clock: { state: expect.any(String) as unknown } },
  ]);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toContain('llmos_kernel_is_leader 1');
  expect(metrics).toMatch(/llmos_kernel_tasks_ended_total [1-9]/);
  expect((await fetch(`${url}/other`)).status).toBe(404);
  expect(createInbox()).toMatch(/^_INBOX\./);
});

it('answers who asks the moment that it has started, and each time', async () => {
  const own = await startKernelBench();
  try {
    for (let n = 0; n < 3; n += 1) {
      const kernel = await own.startKernel();
      // Without a node it is stored and waits.
      const answer = await own.request('llmos.v1.submit.default.echo', n);
      expect(answer.ok).toBe(true);
      await kernel.close();
    }
  } finally {
    await own.stop();
  }
});
