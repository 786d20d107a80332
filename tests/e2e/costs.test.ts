/** What attempts cost is told by the processes that run them, and shown where people look. */
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { report } from '@llmos/proto';
import { parseMetrics, sumOf } from '../support/prometheus-text';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

let system: TestSystem;
let connection: NatsConnection;
const finished = new Map<string, report.Cost | undefined>();
/** What heartbeats said of attempts that ran. */
const beats = new Map<string, report.Cost[]>();
const events = new Map<string, Record<string, unknown>>();

beforeAll(async () => {
  system = await startTestSystem({ models: ['mini-encoder', 'storyteller'] });
  connection = await connect({ servers: system.nats.url });
  connection.subscribe('llmos.v1.report.>', {
    callback: (_, { data }) => note(report.ReportBatch.decode(data)),
  });
  connection.subscribe('llmos.v1.event.default.task.*.*', {
    callback: (_, message) => {
      const event = message.json<Record<string, unknown>>();
      events.set(String(event['id']), event);
    },
  });
  await connection.flush();
});
afterAll(async () => {
  await connection?.close();
  await system?.stop();
});

function note(batch: report.ReportBatch): void {
  for (const { attempt, cost } of batch.finished) finished.set(attempt?.task ?? '', cost);
  batch.heartbeat?.running.forEach(({ task }, index) => {
    const cost = batch.heartbeat?.costs[index];
    if (cost !== undefined) beats.set(task, [...(beats.get(task) ?? []), cost]);
  });
}

async function costOf(task: string): Promise<report.Cost> {
  await waitFor(async () => finished.has(task), { what: `${task} to be reported as finished` });
  return finished.get(task) ?? report.Cost.fromPartial({});
}

it('a process says at its end what an attempt has cost', async () => {
  await system.os.call('echo', { some: 'thing' }, { id: 'echoed' });
  const echoed = await costOf('echoed');
  expect(echoed.deviceMs).toBeGreaterThan(0);
  const text = 'good morning';
  const { usage } = await system.os.embed({ model: 'mini-encoder', text }, { id: 'embedded' });
  const embedded = await costOf('embedded');
  expect(embedded.deviceMs).toBeGreaterThan(0);
  expect(embedded.cpuMs).toBeGreaterThanOrEqual(embedded.deviceMs);
  expect(embedded).toMatchObject({ inputTokens: usage?.inputTokens, outputTokens: 0 });
  const event = await waitFor(async () => events.get('embedded'), { what: 'the event of its end' });
  expect(event).toMatchObject({ what: 'completed', inputTokens: usage?.inputTokens });
  expect(event['deviceMs']).toBeCloseTo(embedded.deviceMs, 2);
});

it('heartbeats say what a generation has cost so far, and status shows it', async () => {
  const prompt = 'Once upon a time';
  const long = { model: 'storyteller', prompt, maxTokens: 400, minTokens: 400, temperature: 0.5 };
  // Again until it takes long enough to be seen at work.
  let round = 0;
  const seen = await waitFor(
    async () => {
      const id = `told-${(round += 1)}`;
      const tasks = Array.from({ length: 8 }, (_, index) =>
        system.os.submit('generate', long, { id: `${id}-${index}` }),
      );
      const running = await Promise.all(tasks);
      let isOver = false;
      const over = Promise.all(running.map((task) => task.result())).then(() => (isOver = true));
      let shown: unknown;
      while (!isOver && shown === undefined) {
        const status = await running[0]?.status();
        if (status !== undefined && 'cost' in status) shown = status.cost;
      }
      await over;
      return shown === undefined ? false : { id: `${id}-0`, shown };
    },
    { what: 'a generation that status shows with its cost' },
  );
  expect(seen.shown).toMatchObject({ deviceMs: expect.any(Number) as number });
  const total = await costOf(seen.id);
  expect(total.outputTokens).toBe(400);
  const told = (beats.get(seen.id) ?? []).filter(({ deviceMs }) => deviceMs > 0);
  expect(told.length).toBeGreaterThan(0);
  let last = 0;
  for (const { deviceMs } of [...told, total]) {
    expect(deviceMs).toBeGreaterThanOrEqual(last);
    last = deviceMs;
  }
});

it('metrics have the sums of each tenant', async () => {
  const text = await (await fetch(`${system.kernel.ready.httpUrl}/metrics`)).text();
  const metrics = parseMetrics(text);
  for (const what of ['device_seconds', 'cpu_seconds', 'input_tokens', 'output_tokens']) {
    const name = `llmos_kernel_cost_${what}_total`;
    expect([name, sumOf(metrics, name, { tenant: 'default' })]).toEqual([
      name,
      expect.any(Number) as number,
    ]);
    expect(sumOf(metrics, name, { tenant: 'default' })).toBeGreaterThan(0);
  }
});
