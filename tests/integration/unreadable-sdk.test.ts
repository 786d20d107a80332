/** A client goes on whatever is stored, and whatever comes on its subjects. */
import { subjects } from '@llmos/base';
import { connect } from '@llmos/sdk';
import type { LlmosClient } from '@llmos/sdk';
import { FakeKernel } from '../support/fake-kernel';
import type { FakeFunction, FakeTask } from '../support/fake-kernel';
import { startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { publishUnreadable } from '../support/raw-nats';

const LOGIN = { user: 'kernel', pass: 'k' };
/** May read by direct get only, as a tenant may. */
const LIMITED = `
authorization {
  users = [
    { user: kernel, password: k }
    { user: caller, password: c, permissions: { publish: { deny: "$JS.API.STREAM.MSG.GET.>" } } }
  ]
}`;

const STORED = JSON.stringify({ ok: true, output: 'stored' });
const RESULT = 'llmos.v1.result.default.broken';
const PATIENCE = { timeoutMs: 60_000 };

let server: TestNatsServer;
let kernel: FakeKernel;
let os: LlmosClient;

async function open(functions: Readonly<Record<string, FakeFunction>>): Promise<void> {
  server = await startNatsServer({ config: LIMITED });
  kernel = await FakeKernel.start({ url: server.url, ...LOGIN, functions });
}

afterEach(async () => {
  await os.close();
  await kernel.stop();
  await server.stop();
});

const echo = (task: FakeTask): unknown => task.input;

it('reads a stored result past headers that are malformed, and goes on', async () => {
  await open({ echo });
  os = await connect({ servers: server.url, ...LOGIN });
  await publishUnreadable({ url: server.url, subject: RESULT, body: STORED, login: LOGIN });
  await expect(os.task('broken').result(PATIENCE)).resolves.toBe('stored');
  await expect(os.echo('next')).resolves.toBe('next');
});

it('ends one call where it may not read past them, and goes on', async () => {
  await open({ echo });
  os = await connect({ servers: server.url, user: 'caller', pass: 'c' });
  await publishUnreadable({ url: server.url, subject: RESULT, body: STORED, login: LOGIN });
  await expect(os.task('broken').result(PATIENCE)).rejects.toMatchObject({
    code: 'DATA_LOSS',
    message: 'the result of task broken can’t be read: its headers can’t be read',
  });
  await expect(os.echo('next')).resolves.toBe('next');
});

it('hears what follows a malformed message on the subjects of a running generation', async () => {
  const generate = async (task: FakeTask): Promise<unknown> => {
    const chunkOf = { index: 0, text: 'a', tokens: [1], finishReason: 'stop' } as const;
    const subject = subjects.stream({ tenant: task.tenant, task: task.id });
    await publishUnreadable({ url: server.url, subject, isRefused: true, login: LOGIN });
    await task.chunk(chunkOf);
    return { text: 'a', tokens: [1], promptTokens: 1, finishReason: 'stop' };
  };
  await open({ generate, echo });
  os = await connect({ servers: server.url, ...LOGIN });
  const seen: string[] = [];
  for await (const part of os.generate.stream({ prompt: 'p' })) seen.push(part.text);
  expect(seen).toEqual(['a']);
  await expect(os.echo('next')).resolves.toBe('next');
});
