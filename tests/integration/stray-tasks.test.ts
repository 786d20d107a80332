/** Tasks that no consumer is given, found by StrayTasks and SkippedTasks on a real server. */
import { STREAMS, parseTaskSubject, patterns, silentLogger } from '@llmos/base';
import type { TaskClass } from '@llmos/base';
import { SkippedTasks, StrayTasks } from '@llmos/kernel/testing';
import { closeLink } from '@llmos/wire';
import { AckPolicy } from 'nats';
import type { JetStreamManager, NatsConnection, StoredMsg } from 'nats';
import { openKernelLink } from '../support/kernel-link';
import type { TestNatsServer } from '../support/nats-server';
import { PATIENT, startNatsServer } from '../support/nats-server';
import { publishUnreadable, rawPublish } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

const CLASSES: readonly TaskClass[] = ['interactive', 'standard', 'batch'];
/** A server stores it, and gives it to no filter. */
const STRAY = 'llmos.v1.task.batch.acme.>';
const HEADER = 'NATS/1.0\r\n\r\n';

let nats: TestNatsServer;
let connection: NatsConnection;
let manager: JetStreamManager;
const closers: (() => void)[] = [];

beforeEach(async () => {
  nats = await startNatsServer();
  connection = await openKernelLink(nats.url);
  manager = await connection.jetstreamManager(PATIENT);
  await manager.streams.add({ name: STREAMS.tasks, subjects: [...patterns.tasks] });
  for (const taskClass of CLASSES) {
    await manager.consumers.add(STREAMS.tasks, {
      durable_name: taskClass,
      filter_subject: patterns.tasksOfClass(taskClass),
      ack_policy: AckPolicy.Explicit,
    });
  }
});
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  if (connection !== undefined) await closeLink(connection);
  await nats?.stop();
});

async function storeStray(): Promise<void> {
  const bytes = Buffer.from(`${HEADER}1`);
  await rawPublish({ url: nats.url, subject: STRAY, headerBytes: HEADER.length, bytes });
}

async function left(): Promise<readonly string[]> {
  const { state } = await manager.streams.info(STREAMS.tasks, { subjects_filter: '>' });
  return Object.keys(state.subjects ?? {}).sort();
}

function straysThat(onStray: (seq: number) => Promise<void>): StrayTasks {
  const log = silentLogger;
  const strays = new StrayTasks({ manager, log, onStray: ({ seq }) => onStray(seq) });
  closers.push(() => strays.end());
  return strays;
}

it('ends what the server gives to no consumer, and leaves all else, whatever its bytes', async () => {
  await connection.jetstream(PATIENT).publish('llmos.v1.task.batch.acme.echo', '1');
  const subject = 'llmos.v1.task.standard.acme.echo';
  await publishUnreadable({ url: nats.url, subject, body: 'x' });
  await storeStray();
  await publishUnreadable({ url: nats.url, subject: STRAY, body: 'x' });
  const ended: number[] = [];
  const strays = straysThat((sequence) => {
    ended.push(sequence);
    return Promise.resolve();
  });
  strays.begin();
  await waitFor(async () => !(await left()).includes(STRAY), { what: 'the strays to be gone' });
  expect(ended).toEqual([3, 4]);
  expect(await left()).toEqual(['llmos.v1.task.batch.acme.echo', subject]);
});

it('comes upon them by counting too, and ends them though a first try failed', async () => {
  await storeStray();
  let tries = 0;
  const strays = straysThat(() => {
    tries += 1;
    return tries === 1 ? Promise.reject(new Error('the results are full')) : Promise.resolve();
  });
  const skipped: StoredMsg[] = [];
  const walk = new SkippedTasks({
    manager,
    log: silentLogger,
    consumerOf: (taskClass) => taskClass,
    isHeld: () => false,
    isOpen: () => true,
    onSkipped: (stored) => void skipped.push(stored),
    onOther: (stored) => strays.take(stored),
    seenTo: () => strays.pending,
  });
  closers.push(() => walk.end());
  walk.begin();
  await waitFor(() => tries > 0 && strays.pending === 1, { what: 'the stray to be met' });
  expect(await left()).toContain(STRAY);
  // Its next look has it, whatever lists say.
  strays.begin();
  await waitFor(async () => !(await left()).includes(STRAY), { what: 'the stray to be gone' });
  expect([tries, skipped.length]).toEqual([2, 0]);
});

it('takes in what is neither delivered nor in line, with its bytes as they are', async () => {
  const subject = 'llmos.v1.task.batch.acme.echo';
  const { seq } = await connection.jetstream(PATIENT).publish(subject, 'passed over');
  // As where the server forgot it: delivered, as far as it knows, to a consumer that is gone.
  await manager.consumers.delete(STREAMS.tasks, 'batch');
  await manager.consumers.add(STREAMS.tasks, {
    durable_name: 'batch',
    filter_subject: 'llmos.v1.task.batch.nobody.*',
    ack_policy: AckPolicy.Explicit,
  });
  const held = new Set<number>();
  const skipped: StoredMsg[] = [];
  const walk = new SkippedTasks({
    manager,
    log: silentLogger,
    consumerOf: (taskClass) => taskClass,
    isHeld: (sequence) => held.has(sequence),
    isOpen: () => true,
    onSkipped: (stored) => {
      held.add(stored.seq);
      skipped.push(stored);
    },
    onOther: () => false,
    seenTo: () => 0,
  });
  closers.push(() => walk.end());
  walk.begin();
  await waitFor(() => skipped.length > 0, { what: 'the task to be taken in' });
  expect(skipped.map((stored) => [stored.seq, parseTaskSubject(stored.subject)?.class])).toEqual([
    [seq, 'batch'],
  ]);
  expect(Buffer.from(skipped[0]?.data ?? []).toString()).toBe('passed over');
});
