/** How tasks are stored and refused: JetStreamTaskPublisher on a real server. */
import { STREAMS, WIRE_LIMITS, asToken, patterns } from '@llmos/base';
import type { FunctionName, TaskId, TaskTerms, TenantId } from '@llmos/base';
import { JetStreamTaskPublisher } from '@llmos/kernel/testing';
import { closeLink } from '@llmos/wire';
import { DiscardPolicy } from 'nats';
import type { JetStreamManager, NatsConnection } from 'nats';
import { openKernelLink } from '../support/kernel-link';
import type { TestNatsServer } from '../support/nats-server';
import { PATIENT, startNatsServer } from '../support/nats-server';

const MAX_PAYLOAD = 256 * 1024;
let nats: TestNatsServer;
let connection: NatsConnection;
let manager: JetStreamManager;
let publisher: JetStreamTaskPublisher;

beforeAll(async () => {
  nats = await startNatsServer({ config: `max_payload: ${MAX_PAYLOAD}` });
  connection = await openKernelLink(nats.url);
  manager = await connection.jetstreamManager(PATIENT);
  const bounds = { discard: DiscardPolicy.New, max_bytes: 4 * 1024 * 1024 };
  await manager.streams.add({ name: STREAMS.tasks, subjects: [...patterns.tasks], ...bounds });
  publisher = new JetStreamTaskPublisher(connection);
});
afterAll(async () => {
  if (connection !== undefined) await closeLink(connection);
  await nats?.stop();
});

type Task = Parameters<JetStreamTaskPublisher['publish']>[0];
const terms: TaskTerms = {
  isIdNew: false,
  priority: 5,
  hasOwnPriority: false,
  maxAttempts: WIRE_LIMITS.defaultAttempts,
  stream: false,
  format: 'json',
};
const taskOf = (body: Uint8Array, of: Partial<TaskTerms> = {}): Task => ({
  subject: {
    class: 'standard',
    tenant: asToken<TenantId>('acme'),
    function: asToken<FunctionName>('echo'),
  },
  terms: { ...terms, ...of },
  body,
});

it('stores bytes and terms as they are, and answers where', async () => {
  const body = new Uint8Array([0, 255, 13, 10, 7]);
  const id = asToken<TaskId>('a-1');
  const { sequence } = await publisher.publish(taskOf(body, { id, traceparent: '\u{1F608}' }));
  const stored = await manager.streams.getMessage(STREAMS.tasks, { seq: sequence });
  expect([...stored.data]).toEqual([...body]);
  const { header } = stored;
  expect([header.get('Llmos-Id'), header.get('traceparent')]).toEqual(['a-1', '\u{1F608}']);
});

it('takes the largest body that can still be forwarded, and refuses what no message can hold', async () => {
  expect(publisher.maxBodyBytes()).toBe(MAX_PAYLOAD - WIRE_LIMITS.bodyReserveBytes);
  await publisher.publish(taskOf(new Uint8Array(publisher.maxBodyBytes())));
  await expect(publisher.publish(taskOf(new Uint8Array(MAX_PAYLOAD + 1)))).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
});

it('stores no header that somebody wrote into another one', async () => {
  const { state: before } = await manager.streams.info(STREAMS.tasks);
  const injected = taskOf(new Uint8Array(1), { traceparent: 'x\r\nLlmos-Key: stolen' });
  await expect(publisher.publish(injected)).rejects.toThrow();
  const { state: after } = await manager.streams.info(STREAMS.tasks);
  expect(after.last_seq).toBe(before.last_seq);
});

it('says that the queue is full, when to come again, and stores again once there is room', async () => {
  const large = taskOf(new Uint8Array(publisher.maxBodyBytes()));
  const fill = async (): Promise<void> => {
    for (let n = 0; n < 100; n += 1) await publisher.publish(large);
  };
  await expect(fill()).rejects.toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    retryable: true,
    details: { retryAfterMs: expect.any(Number) },
  });
  await manager.streams.purge(STREAMS.tasks);
  expect((await publisher.publish(large)).sequence).toBeGreaterThan(0);
});

it('does not know whether a task was stored where nobody answers', async () => {
  await manager.streams.delete(STREAMS.tasks);
  await expect(publisher.publish(taskOf(new Uint8Array(1)))).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    retryable: true,
  });
});
