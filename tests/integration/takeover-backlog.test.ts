/** What a new leader learns of the tasks that waited before it, without asking for each of them. */
import { BUCKETS, STREAMS, encodeJson } from '@llmos/base';
import { headers as newHeaders } from 'nats';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { waitFor } from '../support/wait-for';

const TASKS = 300;
/** Every third has its result already, as where a leader died before it acknowledged. */
const isDone = (index: number): boolean => index % 3 === 0;

let bench: KernelBench;
beforeEach(async () => {
  bench = await startKernelBench();
});
afterEach(() => bench.stop());

async function left(): Promise<number> {
  return (await bench.manager.streams.info(STREAMS.tasks)).state.messages;
}

/** Stored while nobody leads. */
async function leaveBehind(): Promise<void> {
  const classes = ['interactive', 'standard', 'batch'];
  for (let index = 0; index < TASKS; index += 1) {
    const headers = newHeaders();
    headers.set('Llmos-Id', `task-${index}`);
    const subject = `llmos.v1.task.${classes[index % 2 === 0 ? 2 : 0]}.acme.echo`;
    await bench.jetstream.publish(subject, '1', { headers });
    if (!isDone(index)) continue;
    await bench.jetstream.publish(`llmos.v1.result.acme.task-${index}`, '{"ok":true,"output":1}');
  }
}

it('ends what has a result, and runs the rest with the attempts that it had', async () => {
  const first = await bench.startKernel();
  await bench.untilLeading(first);
  await first.close();
  await leaveBehind();
  // Tried twice before; the third time is the last.
  const row = { attempt: 3, uncounted: 0, isApart: false, failures: [] };
  for (const index of [1, 2]) {
    await bench.jetstream.publish(`$KV.${BUCKETS.attempts}.acme.task-${index}`, encodeJson(row));
  }
  // A row that is none, and one of a task that is gone: neither is in the way.
  await bench.jetstream.publish(`$KV.${BUCKETS.attempts}.acme.task-4`, 'nonsense');
  await bench.jetstream.publish(`$KV.${BUCKETS.attempts}.acme.gone`, encodeJson(row));

  const second = await bench.startKernel();
  await bench.untilLeading(second);
  const done = Array.from({ length: TASKS }, (_, index) => index).filter(isDone).length;
  await waitFor(async () => (await left()) === TASKS - done, {
    what: 'the tasks that have a result to be acknowledged',
  });
  const node = await bench.startNode();
  await waitFor(async () => (await left()) === 0, { what: 'all tasks to end' });
  const ran = new Set(node.ran);
  expect(ran.size).toBe(TASKS - done);
  expect(ran.has('acme/task-1#3') && ran.has('acme/task-2#3')).toBe(true);
  expect(ran.has('acme/task-4#1')).toBe(true);
  expect([...ran].some((name) => isDone(Number(/task-(\d+)/.exec(name)?.[1])))).toBe(false);
});

/** A nats-server of 2.9 tells a new consumer nothing of the one that is left then. */
async function leaveOneBetween(subject: string): Promise<number> {
  const sequences: number[] = [];
  for (let index = 0; index < 3; index += 1) {
    sequences.push((await bench.jetstream.publish(subject, '1')).seq);
  }
  const [first = 0, left = 0, last = 0] = sequences;
  for (const sequence of [last, first]) {
    await bench.manager.streams.deleteMessage(STREAMS.tasks, sequence, false);
  }
  return left;
}

it('runs what is left of a subject whose later task ended before an earlier one', async () => {
  const first = await bench.startKernel();
  await bench.untilLeading(first);
  await first.close();
  const sequence = await leaveOneBetween('llmos.v1.task.standard.acme.echo');
  await bench.jetstream.publish('llmos.v1.task.standard.globex.echo', '1');
  await bench.untilLeading(await bench.startKernel());
  const node = await bench.startNode();
  await waitFor(async () => (await left()) === 0, { what: 'all tasks to end' });
  expect(node.ran.toSorted()).toEqual([`acme/s${sequence}#1`, `globex/s${sequence + 2}#1`]);
});
