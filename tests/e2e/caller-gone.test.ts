/**
 * What a client program waited for ends when the program is gone, and only that: on real programs,
 * with a real SIGKILL.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { parseMetrics, sumOf } from '../support/prometheus-text';
import { repositoryFolder } from '../support/shared-folder';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

/** More than all rows of the process: some run, the others wait. */
const STREAMS = 96;
const STORY = { model: 'storyteller', prompt: 'Once upon a time', minTokens: 450, maxTokens: 450 };
const SDK = join(repositoryFolder, 'packages', 'sdk');

let system: TestSystem;
const clients: ChildProcess[] = [];

beforeAll(async () => {
  system = await startTestSystem({ models: ['storyteller'] });
  await system.os.generate({ ...STORY, minTokens: 1, maxTokens: 1 });
});
afterEach(() => clients.splice(0).forEach((client) => client.kill('SIGKILL')));
afterAll(() => system?.stop());

/** A program that connects as `os` and runs the text; it never ends by itself. */
function startClient(text: string): ChildProcess {
  const open = `const os = await require(${JSON.stringify(SDK)}).connect({ servers: ${JSON.stringify(system.nats.url)} });`;
  const given = `const story = ${JSON.stringify(STORY)}; const ignore = () => undefined;`;
  const program = `(async () => { ${open} ${given} ${text} })();`;
  const client = spawn(process.execPath, ['-e', program], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  clients.push(client);
  return client;
}

/** Tasks cancelled because their caller was gone, so far. */
async function goneTasks(): Promise<number> {
  const url = `${(await system.os.info()).httpUrl}/metrics`;
  const text = await (await fetch(url)).text();
  return sumOf(parseMetrics(text), 'llmos_kernel_caller_gone_tasks_total');
}

const tasks = async (): Promise<number> => (await system.os.info()).tasks;

it('the streams of a killed program end, those that run and those that wait; others go on', async () => {
  const before = await goneTasks();
  const client = startClient(`
    for (let n = 0; n < ${STREAMS}; n += 1) {
      os.generate.stream({ ...story, seed: n }, { timeoutMs: 600000 }).result.catch(ignore);
    }
  `);
  await waitFor(async () => (await tasks()) === STREAMS, { what: 'the streams to be taken in' });
  await waitFor(async () => (await system.os.info()).running > 0, { what: 'streams to run' });
  const other = system.os.generate({ ...STORY, maxTokens: 460, minTokens: 460 });
  client.kill('SIGKILL');
  const output = await other;
  expect(output.tokens).toHaveLength(460);
  await waitFor(async () => (await tasks()) === 0, { what: 'the streams to be gone' });
  // A fast machine may have run some of them before.
  expect((await goneTasks()) - before).toBeGreaterThan(STREAMS / 2);
});

it('what it submitted, and what it called detached, goes on', async () => {
  const before = await goneTasks();
  const client = startClient(`
    const more = { minTokens: 100, maxTokens: 100 };
    os.submit('generate', { ...story, ...more }, { id: 'submitted' }).catch(ignore);
    os.generate({ ...story, ...more }, { id: 'detached', detached: true }).catch(ignore);
    for (let n = 0; n < ${STREAMS}; n += 1) os.generate(story, { id: 'bound-' + n }).catch(ignore);
  `);
  const last = `bound-${STREAMS - 1}`;
  const waiting = ['submitted', 'detached', last].map((id) => system.os.task(id));
  for (const task of waiting) {
    await waitFor(async () => (await task.status()).state !== 'unknown', {
      what: `task ${task.id}`,
    });
  }
  client.kill('SIGKILL');
  await waitFor(async () => (await tasks()) === 0, { what: 'the tasks to end' });
  for (const id of ['submitted', 'detached']) {
    expect(await system.os.task(id).result()).toMatchObject({ finishReason: 'length' });
  }
  expect(await goneTasks()).toBeGreaterThan(before);
  // The end of a bound one is no result: its id is served anew.
  const again = await system.os.generate({ ...STORY }, { id: last });
  expect(again.tokens).toHaveLength(450);
});

it('a client whose NATS server starts anew keeps its calls', async () => {
  const before = await goneTasks();
  const calls = [1, 2, 3, 4].map((seed) => system.os.generate({ ...STORY, seed }));
  await waitFor(async () => (await system.os.info()).running > 0, { what: 'the calls to run' });
  await system.nats.restart();
  for (const { tokens } of await Promise.all(calls)) expect(tokens).toHaveLength(450);
  expect(await goneTasks()).toBe(before);
});

it('a client that dies while nobody leads is missed by the next leader; others keep their calls', async () => {
  const client = startClient(`
    for (let n = 0; n < ${STREAMS}; n += 1) {
      os.generate.stream({ ...story, seed: n }, { timeoutMs: 600000 }).result.catch(ignore);
    }
  `);
  await waitFor(async () => (await tasks()) === STREAMS, { what: 'the streams to be taken in' });
  const others = [1, 2].map((seed) => system.os.generate({ ...STORY, seed }));
  await waitFor(async () => (await tasks()) > STREAMS, { what: 'the other calls to be taken in' });
  await system.kernel.stop();
  client.kill('SIGKILL');
  await system.startKernel();
  for (const { tokens } of await Promise.all(others)) expect(tokens).toHaveLength(450);
  await waitFor(async () => (await tasks()) === 0, { what: 'the streams to be gone' });
  // What ran meanwhile may have ended before the new leader looked.
  expect(await goneTasks()).toBeGreaterThan(STREAMS / 2);
});
