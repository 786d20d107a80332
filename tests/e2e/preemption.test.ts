/**
 * Generations make room for more urgent ones, and move when their process is stopped: each ends
 * with the tokens of an undisturbed run, whether it streams or not.
 */
import type { GenerateOutput, ProcessRow } from '@llmos/sdk';
import { uncached } from '../support/generations';
import { parseMetrics, sumOf } from '../support/prometheus-text';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

/** More than one process has permits for. */
const BULK = 40;
const inputs = Array.from({ length: BULK }, (_, index) => ({
  model: 'storyteller',
  prompt: ['Once upon a time', 'The little dog', 'One day', 'Lily'][index % 4] ?? '',
  maxTokens: 90,
  minTokens: 80,
  temperature: index % 2,
  seed: index,
}));

let system: TestSystem;
/** What each input gives when nothing disturbs it. */
let expected: readonly GenerateOutput[];
beforeAll(async () => {
  system = await startTestSystem({ models: ['storyteller'] });
  const outputs = await Promise.all(inputs.map((input) => system.os.generate(input)));
  expected = outputs.map(uncached);
});
afterAll(() => system?.stop());

async function storyteller(): Promise<ProcessRow | undefined> {
  return (await system.os.ps()).find(
    ({ model, state }) => model.startsWith('storyteller') && state === 'ready',
  );
}

async function decided(kind: string): Promise<number> {
  const headers = { connection: 'close' };
  const response = await fetch(`${system.kernel.ready.httpUrl}/metrics`, { headers });
  return sumOf(parseMetrics(await response.text()), 'llmos_kernel_decisions_total', { kind });
}

/** Every second one streams; all of them as bulk. */
function startBulk(round: string): Promise<readonly GenerateOutput[]> {
  return Promise.all(
    inputs.map(async (input, index) => {
      const options = { class: 'batch', id: `${round}-${index}` } as const;
      if (index % 2 === 0) return system.os.generate(input, options);
      let text = '';
      const stream = system.os.generate.stream(input, options);
      for await (const chunk of stream) text += chunk.text;
      const output = await stream.result;
      expect(text).toBe(output.text);
      return output;
    }),
  );
}

/** What a reader sees who comes later, also of tasks that were not to stream. */
async function readBack(id: string): Promise<string> {
  let text = '';
  for await (const chunk of system.os.task(id).stream()) text += chunk.text;
  return text;
}

/** Stops the model's process meanwhile, so that what is handed in is all there before any ends. */
async function whileHeld<T>(work: (row: ProcessRow) => Promise<T>): Promise<T> {
  const idle = async (): Promise<ProcessRow | undefined> => {
    const row = await storyteller();
    // A caller is answered before the kernel is told: what ended would go on counting as running.
    return row?.running === 0 && row.queued === 0 ? row : undefined;
  };
  const row = await waitFor(idle, { what: 'a ready process in which nothing is left' });
  const osPid = row.osPid ?? 0;
  process.kill(osPid, 'SIGSTOP');
  try {
    return await work(row);
  } finally {
    process.kill(osPid, 'SIGCONT');
  }
}

/** So many that were handed in are all there: they have a permit, or wait for one. */
async function untilTaken(count: number): Promise<void> {
  const taken = async (): Promise<boolean> => {
    const row = await storyteller();
    return row !== undefined && row.queued + row.running === count;
  };
  await waitFor(taken, { what: `${count} tasks at the process, or waiting for it` });
}

it('urgent generations push bulk ones aside, which end as if nothing had happened', async () => {
  const before = await decided('preempt-attempt');
  const { bulk, urgent } = await whileHeld(async () => {
    const handedIn = startBulk('bulk');
    await untilTaken(BULK);
    const short = { maxTokens: 3, minTokens: 0 };
    // More than the permits that bulk left to them.
    const more = inputs.slice(0, 8).map((input) => system.os.generate({ ...input, ...short }));
    await untilTaken(BULK + more.length);
    return { bulk: handedIn, urgent: more };
  });
  for (const [index, output] of (await Promise.all(urgent)).entries()) {
    expect(output.tokens).toEqual(expected[index]?.tokens.slice(0, 3));
  }
  expect((await bulk).map(uncached)).toEqual(expected);
  expect(await decided('preempt-attempt')).toBeGreaterThan(before);
  const texts = await Promise.all(inputs.map((_input, index) => readBack(`bulk-${index}`)));
  expect(texts).toEqual(expected.map(({ text }) => text));
});

it('ps shows what is held of generations while they run', async () => {
  let isSeen = false;
  const load = Array.from({ length: 4 }, async () => {
    // Counts come to the kernel every few seconds, so the work goes on until they show.
    while (!isSeen) await system.os.generate(inputs[0] ?? { prompt: '' });
  });
  try {
    const contexts = await waitFor(
      async () => {
        const row = await storyteller();
        return (row?.contexts?.running ?? 0) > 0 && row?.contexts;
      },
      { what: 'running contexts' },
    );
    expect(contexts.rowBytes).toBeGreaterThan(0);
  } finally {
    isSeen = true;
    await Promise.all(load);
  }
});

it('generations of a process that is stopped go on in the next one', async () => {
  const { bulk, row } = await whileHeld(async (held) => {
    const handedIn = startBulk('moved');
    await untilTaken(BULK);
    const operator = await system.connectAs('operator');
    await operator.kill(held.pid);
    return { bulk: handedIn, row: held };
  });
  expect((await bulk).map(uncached)).toEqual(expected);
  expect((await storyteller())?.pid).not.toBe(row.pid);
});

it('generations of a node that stops go on on another one', async () => {
  const leaving = system.worker;
  const { bulk, stopped } = await whileHeld(async () => {
    const handedIn = startBulk('left');
    await untilTaken(BULK);
    await system.startWorker({ LLMOS_NODE: 'node-2' });
    return { bulk: handedIn, stopped: leaving.stop() };
  });
  expect(await stopped).toBe(0);
  expect((await bulk).map(uncached)).toEqual(expected);
  expect((await storyteller())?.node).toBe('node-2');
});
