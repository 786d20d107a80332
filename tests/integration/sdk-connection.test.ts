/** Servers with permissions, without direct get, and what a plain ES module sees of the SDK. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { connect } from '@llmos/sdk';
import { FakeKernel } from '../support/fake-kernel';
import type { FakeTask } from '../support/fake-kernel';
import { startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { repositoryFolder } from '../support/shared-folder';

const AUTHORIZATION = `
authorization {
  users = [
    { user: kernel, password: k }
    { user: caller, password: c, permissions: {
        publish: ["llmos.v1.call.default.echo", "$JS.API.DIRECT.GET.LLMOS_RESULTS.>"]
        subscribe: ["_INBOX.>", "llmos.v1.result.default.*"]
    } }
    { user: bound, password: b, permissions: {
        publish: ["llmos.v1.call.default.echo", "llmos.v1.alive.default.*"]
        subscribe: ["_INBOX.>", "llmos.v1.caller.default.*"]
    } }
    { user: private, password: p, permissions: {
        publish: ["llmos.v1.call.default.echo"]
        subscribe: ["_INBOX.private.>"]
    } }
  ]
}`;

describe('on a server with permissions', () => {
  let server: TestNatsServer;
  let kernel: FakeKernel;
  /** To whom the tasks were bound. */
  const callers: unknown[] = [];
  beforeAll(async () => {
    server = await startNatsServer({ config: AUTHORIZATION });
    const functions = {
      echo: (task: FakeTask): unknown => {
        callers.push(task.header('Llmos-Caller') ?? '');
        return task.input;
      },
    };
    kernel = await FakeKernel.start({ url: server.url, user: 'kernel', pass: 'k', functions });
  });
  afterAll(async () => {
    await kernel.stop();
    await server.stop();
  });

  it('ends with PERMISSION_DENIED at once where the server refuses a subject', async () => {
    const os = await connect({ servers: server.url.replace('//', '//caller:c@') });
    try {
      await expect(os.echo('mine')).resolves.toBe('mine');
      const denied = { code: 'PERMISSION_DENIED', retryable: false };
      await expect(os.submit('echo', 1)).rejects.toMatchObject(denied);
      await expect(os.ps()).rejects.toMatchObject(denied);
    } finally {
      await os.close();
    }
  });

  it('is answered below the inbox that its permissions name, and below no other', async () => {
    const login = { servers: server.url, user: 'private', pass: 'p' };
    const os = await connect({ ...login, inboxPrefix: '_INBOX.private' });
    const outside = await connect(login);
    try {
      await expect(os.echo('mine')).resolves.toBe('mine');
      const silence = { code: 'DEADLINE_EXCEEDED' };
      await expect(outside.echo('x', { timeoutMs: 200 })).rejects.toMatchObject(silence);
    } finally {
      await os.close();
      await outside.close();
    }
  });

  it('binds calls to the client only where it may listen for the questions to it', async () => {
    const ask = async (user: string, options = {}): Promise<unknown> => {
      const os = await connect({ servers: server.url.replace('//', `//${user}@`) });
      callers.length = 0;
      await os.echo('mine', options).finally(() => os.close());
      return callers;
    };
    expect(await ask('caller:c')).toEqual(['']);
    expect(await ask('bound:b')).toEqual([expect.stringMatching(/^[0-9a-f]{24}$/)]);
    expect(await ask('bound:b', { detached: true })).toEqual(['']);
  });

  it('ends with UNAUTHENTICATED where the server refuses the credentials', async () => {
    const outcome = connect({ servers: server.url, user: 'caller', pass: 'wrong' });
    await expect(outcome).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});

it('is answered once a server that refused its inbox allows it', async () => {
  const server = await startNatsServer({ config: AUTHORIZATION });
  const functions = { echo: (task: FakeTask): unknown => task.input };
  const kernel = await FakeKernel.start({ url: server.url, user: 'kernel', pass: 'k', functions });
  const os = await connect({ servers: server.url, user: 'private', pass: 'p' });
  try {
    const silence = { code: 'DEADLINE_EXCEEDED' };
    await expect(os.echo('x', { timeoutMs: 200 })).rejects.toMatchObject(silence);
    await server.restart({ config: AUTHORIZATION.replace('_INBOX.private.>', '_INBOX.>') });
    await expect(os.echo('heard', { timeoutMs: 60_000 })).resolves.toBe('heard');
  } finally {
    await os.close();
    await kernel.stop();
    await server.stop();
  }
});

describe('on an open server', () => {
  let server: TestNatsServer;
  beforeEach(async () => {
    server = await startNatsServer();
  });
  afterEach(() => server.stop());

  it('reads results and streams where direct get is off', async () => {
    const output = { text: 'ab', tokens: [1, 2], promptTokens: 1, finishReason: 'stop' } as const;
    const kernel = await FakeKernel.start({
      url: server.url,
      directGet: false,
      functions: {
        generate: async (task) => {
          await task.chunk({ index: 0, text: 'a', tokens: [1] });
          await task.chunk({ index: 1, text: 'b', tokens: [2], finishReason: 'stop' });
          return output;
        },
      },
    });
    const os = await connect({ servers: server.url });
    try {
      const task = await os.submit('generate', { prompt: 'x' });
      await expect(task.result()).resolves.toEqual(output);
      const stream = task.stream();
      await expect(stream.result).resolves.toEqual(output);
      let text = '';
      for await (const chunk of stream) text += chunk.text;
      expect(text).toBe('ab');
    } finally {
      await os.close();
      await kernel.stop();
    }
  });

  it('runs a thousand calls at once with one signal, without a warning', async () => {
    const kernel = await FakeKernel.start({
      url: server.url,
      functions: { echo: (task) => task.input },
    });
    const os = await connect({ servers: server.url });
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.name);
    process.on('warning', onWarning);
    try {
      const { signal } = new AbortController();
      const numbers = [...Array(1_000).keys()];
      const answers = await Promise.all(numbers.map((number) => os.echo(number, { signal })));
      expect(answers).toEqual(numbers);
      expect(warnings).toEqual([]);
    } finally {
      process.off('warning', onWarning);
      await os.close();
      await kernel.stop();
    }
  });
});

const built = join(repositoryFolder, 'packages', 'sdk', 'dist', 'index.js');
const whenBuilt = existsSync(built) ? it : it.skip;

whenBuilt('is imported by an ES module with named exports (needs dist)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'llmos-esm-'));
  try {
    const file = join(folder, 'check.mjs');
    const names = 'connect, LlmosError, ERROR_CODES, tensor, readTensor';
    writeFileSync(
      file,
      `import { ${names} } from ${JSON.stringify(pathToFileURL(built).href)};\n` +
        `console.log([${names}].map((each) => typeof each).join(' '));\n`,
    );
    const outcome = spawnSync(process.execPath, [file], { encoding: 'utf8' });
    expect(outcome.stderr).toBe('');
    expect(outcome.stdout.trim()).toBe('function function object function function');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
