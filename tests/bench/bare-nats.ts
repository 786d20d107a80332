/** The bare figures: the least that a round trip, and a durable task with one result, can cost. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { AckPolicy, RetentionPolicy, StorageType, connect } from 'nats';
import type { NatsConnection } from 'nats';

export const BARE = {
  request: 'bench.echo',
  tasks: 'BENCH_TASKS',
  results: 'BENCH_RESULTS',
  consumer: 'bench',
  taskPrefix: 'bench.task',
  resultPrefix: 'bench.result',
} as const;

export interface BareNats {
  /** One request and its answer. */
  roundTrip(body: Uint8Array): Promise<void>;
  /** One durable task, until its result is seen. */
  task(body: Uint8Array): Promise<void>;
  stop(): Promise<void>;
}

export async function startBareNats(url: string): Promise<BareNats> {
  const connection = await connect({ servers: url });
  await prepare(connection);
  const child = fork(join(__dirname, 'bare-nats-main.js'), [url]);
  await once(child, 'message');
  const waiting = new Map<string, () => void>();
  connection.subscribe(`${BARE.resultPrefix}.*`, {
    callback: (_, msg) => {
      const id = msg.subject.slice(BARE.resultPrefix.length + 1);
      waiting.get(id)?.();
      waiting.delete(id);
    },
  });
  const jetstream = connection.jetstream();
  let lastId = 0;
  return {
    roundTrip: async (body) => void (await connection.request(BARE.request, body)),
    task: async (body) => {
      const id = String((lastId += 1));
      const result = new Promise<void>((resolve) => waiting.set(id, resolve));
      await jetstream.publish(`${BARE.taskPrefix}.${id}`, body);
      await result;
    },
    stop: async () => {
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
      await connection.close();
    },
  };
}

async function prepare(connection: NatsConnection): Promise<void> {
  const manager = await connection.jetstreamManager();
  const storage = StorageType.File;
  await manager.streams.add({
    name: BARE.tasks,
    subjects: [`${BARE.taskPrefix}.*`],
    retention: RetentionPolicy.Workqueue,
    storage,
  });
  await manager.streams.add({ name: BARE.results, subjects: [`${BARE.resultPrefix}.*`], storage });
  await manager.consumers.add(BARE.tasks, {
    durable_name: BARE.consumer,
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 10_000,
  });
}
