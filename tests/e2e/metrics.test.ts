/** `/metrics` of a real kernel and a real worker: rules, documentation, and that each one moves. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect } from 'nats';
import { PATIENT } from '../support/nats-server';
import type { TestProgram } from '../support/programs';
import type { MetricFamily } from '../support/prometheus-text';
import { metricProblems, parseMetrics, sumOf } from '../support/prometheus-text';
import { repositoryFolder } from '../support/shared-folder';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

type Families = ReadonlyMap<string, MetricFamily>;

let system: TestSystem;
/** Before and after the work below. */
let first: { readonly kernel: Families; readonly worker: Families };
let last: { readonly kernel: Families; readonly worker: Families };

async function textOf(program: TestProgram): Promise<string> {
  const response = await fetch(`${program.ready.httpUrl}/metrics`);
  expect(response.status).toBe(200);
  return response.text();
}

async function scrape(program: TestProgram): Promise<Families> {
  return parseMetrics(await textOf(program));
}

/** What `promtool check metrics` says of a text; undefined where there is no promtool. */
function askPromtool(text: string): { status: number | null; output: string } | undefined {
  const program = process.env['LLMOS_TEST_PROMTOOL'] ?? 'promtool';
  const { error, status, stdout, stderr } = spawnSync(program, ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  });
  return error === undefined ? { status, output: stdout + stderr } : undefined;
}

async function scrapeBoth(): Promise<typeof first> {
  return { kernel: await scrape(system.kernel), worker: await scrape(system.worker) };
}

beforeAll(async () => {
  system = await startTestSystem({ models: ['storyteller', 'mini-encoder'] });
  first = await scrapeBoth();
  await work();
  // Counts are told at a low rate, so the last of them come a moment later. What never rises is
  // named by its own test.
  const isComplete = async (): Promise<boolean> => hasRisen((last = await scrapeBoth()));
  await waitFor(isComplete, { what: 'the counts', everyMs: 200 }).catch(() => undefined);
});
afterAll(() => system?.stop());

async function work(): Promise<void> {
  const { os, nats } = system;
  for (let index = 0; index < 5; index += 1) await os.call('echo', { index });
  await expect(os.call('nothing', 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await os.embed({ model: 'mini-encoder', texts: ['one', 'two'] });
  await expect(
    os.embed({ model: 'mini-encoder', text: 'long '.repeat(5_000) }),
  ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  const generate = { model: 'storyteller', prompt: 'Once upon a time', maxTokens: 4, seed: 1 };
  for await (const _chunk of os.generate.stream(generate, { id: 'tale' })) void _chunk;
  for await (const _chunk of os.task('tale').stream({ via: 'kernel' })) void _chunk;
  await generations();
  const plain = await connect({ servers: nats.url });
  const subject = 'llmos.v1.task.standard.default.echo';
  // A later request shows that the kernel has read what came before it.
  await plain.jetstream(PATIENT).publish(subject, '{"not json');
  await plain.request('llmos.v1.sys.default.info', '', PATIENT);
  await plain.request('llmos.v1.sys.default.nothing', '', PATIENT);
  await plain.close();
}

/** Repeated text, alike beginnings, and more at once than there are rows, some of them urgent. */
async function generations(): Promise<void> {
  const { os } = system;
  const prompt = 'The cat sat on the mat. '.repeat(8);
  const greedy = { model: 'storyteller', prompt, temperature: 0, minTokens: 40, maxTokens: 40 };
  for (let count = 0; count < 3; count += 1) await os.generate(greedy);
  let isSeen = false;
  const short = { ...greedy, minTokens: 20, maxTokens: 20, temperature: 1 };
  const many = Array.from({ length: 24 }, async (_, seed) => {
    // Until an urgent one has found every row taken.
    while (!isSeen) await os.generate({ ...short, seed }, { class: 'batch' });
  });
  const urgent = { ...greedy, minTokens: 0, maxTokens: 1 };
  const switches = async (): Promise<number> =>
    sumOf(await scrape(system.worker), 'llmos_process_context_switches_total');
  try {
    await waitFor(
      async () => {
        await os.generate(urgent, { class: 'interactive' });
        return (await switches()) > 0;
      },
      { what: 'a switch of contexts', everyMs: 100 },
    );
  } finally {
    isSeen = true;
    await Promise.all(many);
  }
}

/** Everything below has risen, and nothing runs any more. */
function hasRisen({ kernel, worker }: typeof first): boolean {
  const isAbove = (now: Families, before: Families, [name, labels]: MetricOf): boolean =>
    sumOf(now, name, labels) > sumOf(before, name, labels);
  return (
    ROSE_IN_KERNEL.every((metric) => isAbove(kernel, first.kernel, metric)) &&
    ROSE_IN_WORKER.every((metric) => isAbove(worker, first.worker, metric)) &&
    sumOf(kernel, 'llmos_kernel_running_tasks') === 0
  );
}

it.each(['kernel', 'worker'] as const)('the metrics of the %s keep promtool’s rules', (program) => {
  expect(metricProblems(last[program])).toEqual([]);
  expect(last[program].get('process_start_time_seconds')).toBeDefined();
});

it('promtool itself finds nothing, where it is installed', async () => {
  for (const program of [system.kernel, system.worker]) {
    const verdict = askPromtool(await textOf(program));
    if (verdict === undefined) return console.warn('skipped: no promtool');
    expect(verdict).toEqual({ status: 0, output: '' });
  }
});

it('every metric of our own is documented with its type and labels, and nothing else is', () => {
  const text = readFileSync(join(repositoryFolder, 'docs/metrics.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `(llmos_\w+)` +\| (\w+) +\| ([^|]*?) *\|/gm)];
  const documented = new Map(rows.map(([, name = '', ...rest]) => [name, rest.join(' ').trim()]));
  const own = [...last.kernel.values(), ...last.worker.values()].filter((family) =>
    family.name.startsWith('llmos_'),
  );
  expect(new Set(own.map(({ name }) => name))).toEqual(new Set(documented.keys()));
  for (const { name, type, samples } of own) {
    const text = documented.get(name) ?? '';
    expect(`${name} ${text.split(' ')[0]}`).toBe(`${name} ${type}`);
    const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)));
    labels.delete('le');
    for (const label of labels) expect(`${name} ${text}`).toContain(`\`${label}\``);
  }
});

type MetricOf = readonly [name: string, labels: Record<string, string>];

const ROSE_IN_KERNEL: readonly MetricOf[] = [
  ['llmos_kernel_ticks_total', {}],
  ['llmos_kernel_events_total', {}],
  ['llmos_kernel_decisions_total', { kind: 'execute' }],
  ['llmos_kernel_tasks_taken_in_total', { class: 'interactive' }],
  ['llmos_kernel_tasks_malformed_total', {}],
  ['llmos_kernel_attempts_ended_total', { outcome: 'committed' }],
  ['llmos_kernel_tasks_finished_total', { code: 'OK' }],
  ['llmos_kernel_tasks_finished_total', { code: 'INVALID_ARGUMENT' }],
  ['llmos_kernel_tasks_ended_total', {}],
  ['llmos_kernel_requests_total', { kind: 'call' }],
  ['llmos_kernel_requests_refused_total', { code: 'UNIMPLEMENTED' }],
  ['llmos_kernel_reader_messages_total', { kind: 'result' }],
  ['llmos_kernel_queue_wait_seconds_count', { class: 'interactive' }],
  ['llmos_kernel_queue_wait_seconds_sum', { class: 'interactive' }],
  ['llmos_kernel_task_duration_seconds_count', { class: 'interactive' }],
  ['llmos_kernel_processes', { state: 'ready' }],
  ['llmos_kernel_permits', { model: 'echo' }],
  ['llmos_kernel_device_committed_bytes', { node: 'node-1', device: 'cpu' }],
  ['llmos_kernel_stream_messages', { stream: 'LLMOS_RESULTS' }],
  ['llmos_kernel_stream_size_bytes', { stream: 'LLMOS_RESULTS' }],
];

it.each(ROSE_IN_KERNEL)('%s %j of the kernel rises with the work', (name, labels) => {
  expect(sumOf(last.kernel, name, labels)).toBeGreaterThan(sumOf(first.kernel, name, labels));
});

const ABOVE_ZERO_IN_KERNEL: readonly MetricOf[] = [
  ['llmos_kernel_is_leader', {}],
  ['llmos_kernel_epoch', {}],
  ['llmos_kernel_nodes', {}],
  ['llmos_kernel_leaderships_total', { what: 'began' }],
  ['llmos_kernel_device_capacity_bytes', { node: 'node-1', device: 'cpu' }],
  ['llmos_kernel_stream_limit_bytes', { stream: 'LLMOS_TASKS' }],
];

it.each(ABOVE_ZERO_IN_KERNEL)('%s %j says what the kernel has', (name, labels) => {
  expect(sumOf(last.kernel, name, labels)).toBeGreaterThan(0);
});

const ROSE_IN_WORKER: readonly MetricOf[] = [
  ['llmos_process_attempts_total', { model: 'echo', outcome: 'committed' }],
  ['llmos_process_errors_total', { model: 'mini-encoder@1', code: 'INVALID_ARGUMENT' }],
  ['llmos_process_attempt_seconds_count', { model: 'echo' }],
  ['llmos_process_step_seconds_count', { model: 'mini-encoder@1' }],
  ['llmos_process_step_requests_sum', { model: 'mini-encoder@1' }],
  ['llmos_process_tokens_total', { model: 'storyteller@1', kind: 'prompt' }],
  ['llmos_process_tokens_total', { model: 'storyteller@1', kind: 'generated' }],
  ['llmos_process_time_to_first_token_seconds_count', { model: 'storyteller@1' }],
  ['llmos_process_time_to_first_token_seconds_sum', { model: 'storyteller@1' }],
  ['llmos_process_time_per_output_token_seconds_count', { model: 'storyteller@1' }],
  ['llmos_process_time_per_output_token_seconds_sum', { model: 'storyteller@1' }],
  ['llmos_process_chunks_total', { model: 'storyteller@1' }],
  ...['decoded', 'prefilled', 'reused', 'drafted', 'accepted'].map(
    (kind) => ['llmos_process_generation_tokens_total', { kind }] as const,
  ),
  ['llmos_process_generation_steps_total', { model: 'storyteller@1' }],
  ['llmos_process_generation_seconds_total', { part: 'run' }],
  ['llmos_process_generation_seconds_total', { part: 'other' }],
  ['llmos_process_context_switches_total', { model: 'storyteller@1' }],
  ['llmos_process_context_bytes', { kind: 'prefixes' }],
  ['llmos_process_rows', { model: 'storyteller@1' }],
  ['llmos_worker_processes', { model: 'echo', state: 'ready' }],
];

it.each(ROSE_IN_WORKER)('%s %j of the worker rises with the work', (name, labels) => {
  expect(sumOf(last.worker, name, labels)).toBeGreaterThan(sumOf(first.worker, name, labels));
});

it('llmos_process_running_attempts and llmos_process_contexts show what runs', async () => {
  const running = async (): Promise<number> => {
    const { worker } = await scrapeBoth();
    const contexts = sumOf(worker, 'llmos_process_contexts', { state: 'running' });
    const rowBytes = sumOf(worker, 'llmos_process_context_bytes', { kind: 'rows' });
    const attempts = sumOf(worker, 'llmos_process_running_attempts');
    return rowBytes > 0 ? Math.min(contexts, attempts) : 0;
  };
  const generate = { model: 'storyteller', prompt: 'Once upon a time', maxTokens: 200 };
  let isSeen = false;
  const load = Array.from({ length: 4 }, async () => {
    // The hosts tell their counts at a low rate, so the work goes on until they show.
    while (!isSeen) await system.os.generate(generate);
  });
  try {
    await waitFor(async () => (await running()) > 0, { what: 'attempts that run' });
  } finally {
    isSeen = true;
    await Promise.all(load);
  }
  await waitFor(
    async () => sumOf((await scrapeBoth()).worker, 'llmos_process_running_attempts') === 0,
    { what: 'no attempt that runs' },
  );
  await waitFor(
    async () => sumOf(await scrape(system.kernel), 'llmos_kernel_running_tasks') === 0,
    { what: 'no task that runs' },
  );
});

it.each(['llmos_worker_attached', 'llmos_worker_memory_bytes', 'llmos_worker_memory_free_bytes'])(
  '%s says what the worker has',
  (name) => expect(sumOf(last.worker, name)).toBeGreaterThan(0),
);

it('llmos status shows the same system, and nothing that is wrong', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(repositoryFolder, 'packages/cli/bin/llmos.js'),
    ...['status', '--json', '--nats', system.nats.url],
  ]);
  const shown = JSON.parse(stdout) as Record<string, unknown>;
  expect(shown).toMatchObject({
    info: { running: 0, isRecovering: false, intake: expect.any(Array) as unknown[] },
    nodes: [{ node: 'node-1', state: 'alive' }],
    troubles: [],
  });
  expect(JSON.stringify(shown)).toContain('LLMOS_RESULTS');
});

it('both count a reconnect when the NATS server was away', async () => {
  await system.nats.restart();
  await waitFor(
    async () => {
      const { kernel, worker } = await scrapeBoth();
      const inKernel = sumOf(kernel, 'llmos_kernel_nats_reconnects_total');
      return inKernel > 0 && sumOf(worker, 'llmos_worker_nats_reconnects_total') > 0;
    },
    { what: 'the reconnects' },
  );
});
