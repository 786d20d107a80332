/** Metrics of work in progress and of what goes wrong, on a real NATS server and a fake node. */
import { asToken, subjects } from '@llmos/base';
import type { NodeId, ProcessId } from '@llmos/base';
import type { RunningKernel } from '@llmos/kernel';
import { report } from '@llmos/proto';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { parseMetrics, sumOf } from '../support/prometheus-text';
import { waitFor } from '../support/wait-for';

const ECHO = 'llmos.v1.task.batch.default.echo';
let bench: KernelBench;
let kernel: RunningKernel;
/** Attempts go on when this resolves. */
let letGo: () => void;
/** So do the starts of processes. */
let letStart: () => void;
const forgotten = new Set<string>();

beforeAll(async () => {
  bench = await startKernelBench();
  kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  const starts = new Promise<void>((resolve) => (letStart = resolve));
  await bench.startNode({
    permits: 2,
    beforeReady: () => starts,
    beforeRun: () => gate,
    forgets: ({ task }) => task === 'forgotten' && forgotten.size < forgotten.add(task).size,
  });
});
afterAll(() => bench.stop());

async function metric(
  name: string,
  labels: Record<string, string> = {},
  of: RunningKernel = kernel,
): Promise<number> {
  const text = await (await fetch(`${of.httpUrl}/metrics`)).text();
  return sumOf(parseMetrics(text), `llmos_kernel_${name}`, labels);
}

function becomes(value: number, name: string, labels: Record<string, string> = {}): Promise<true> {
  const what = `${name} to be ${value}`;
  return waitFor(async () => (await metric(name, labels)) === value, { what });
}

function rises(name: string, labels: Record<string, string> = {}): Promise<true> {
  return waitFor(async () => (await metric(name, labels)) > 0, { what: `${name} to rise` });
}

/** Of the process that the fake node runs. */
async function reporter(): Promise<{ readonly subject: string; readonly incarnation: number }> {
  const { output } = await bench.request('llmos.v1.sys.default.ps', {});
  const [row] = output?.['processes'] as { pid: string; node: string; incarnation: number }[];
  const node = asToken<NodeId>(row?.node);
  const subject = subjects.report({ node, process: asToken<ProcessId>(row?.pid) });
  return { subject, incarnation: row?.incarnation ?? 0 };
}

it('shows the memory that is promised to a process that starts', async () => {
  await bench.jetstream.publish(ECHO, '0');
  await rises('device_reserved_bytes', { device: 'cpu' });
  await becomes(0, 'device_committed_bytes');
  letStart();
  await rises('device_committed_bytes', { device: 'cpu' });
  await becomes(0, 'device_reserved_bytes');
});

it('shows what waits and what runs, and lets go of it at the end', async () => {
  const calls = [1, 2, 3, 4, 5].map((value) =>
    bench.request('llmos.v1.call.default.echo', value, { headers: { 'Llmos-Class': 'batch' } }),
  );
  await becomes(5, 'waiting_calls');
  await becomes(2, 'running_tasks');
  await becomes(2, 'permits_in_use', { model: 'echo' });
  await becomes(2, 'permits', { model: 'echo' });
  await becomes(4, 'queued_tasks', { class: 'batch' });
  await becomes(6, 'held_tasks');
  await becomes(6, 'intake_unacknowledged_tasks', { class: 'batch' });
  await becomes(0, 'intake_pending_tasks', { class: 'batch' });
  letGo();
  expect(await Promise.all(calls)).toEqual([1, 2, 3, 4, 5].map((output) => ({ ok: true, output })));
  await becomes(0, 'held_tasks');
  await becomes(0, 'waiting_calls');
  await becomes(0, 'permits_in_use');
  await becomes(0, 'intake_unacknowledged_tasks');
});

it('counts an accepted attempt that heartbeats miss, and sends it again', async () => {
  const headers = { 'Llmos-Id': 'forgotten' };
  expect((await bench.request('llmos.v1.call.default.echo', 7, { headers })).output).toBe(7);
  expect(forgotten.has('forgotten')).toBe(true);
  expect(await metric('reconciled_total', { kind: 'resent' })).toBeGreaterThan(0);
});

it('counts an attempt that a heartbeat names and nobody knows', async () => {
  const { subject, incarnation } = await reporter();
  const running = [{ tenant: 'default', task: 'unknown-1', attempt: 1 }];
  const batch = { incarnation, accepted: [], finished: [], preempted: [], preemptedCosts: [] };
  const bytes = report.ReportBatch.encode({
    ...batch,
    heartbeat: { running, costs: [], epoch: 0, foreign: 0 },
  }).finish();
  await waitFor(
    async () => {
      // Refused only once the intake has been quiet for a while.
      bench.connection.publish(subject, bytes);
      return (await metric('reconciled_total', { kind: 'refused' })) > 0;
    },
    { what: 'the attempt to be refused' },
  );
});

it('counts reports that can’t be read, and requests that can’t be answered', async () => {
  const { subject } = await reporter();
  bench.connection.publish(subject, Buffer.from('no report'));
  await rises('reports_malformed_total');
  bench.connection.publish('llmos.v1.sys.default.info', '{}', { reply: 'somewhere.else' });
  await rises('requests_unanswerable_total');
});

it('counts messages lost on purpose', async () => {
  const lossyBench = await startKernelBench();
  try {
    const lossy = await lossyBench.startKernel({ LLMOS_FAULT_DROP_RATE: '0.5' });
    await lossyBench.untilLeading(lossy);
    await lossyBench.startNode();
    await lossyBench.jetstream.publish(ECHO, '1');
    // The process that it starts says something again and again, so that one is lost some time.
    await waitFor(async () => (await metric('messages_lost_on_purpose_total', {}, lossy)) > 0, {
      what: 'a loss to be counted',
    });
  } finally {
    await lossyBench.stop();
  }
});
