/**
 * BullMQ over Redis, for the echo: a queue and its events here, a worker in another OS process.
 * Redis and library are the bench's own; where either can't be had, there is a reason instead.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { benchCache, installLibrary } from './install-library';
import type { RedisServer } from './redis-server';
import { findRedis, startRedis } from './redis-server';

export interface BullmqEcho {
  /** One job, until its result is seen. */
  task(input: object): Promise<unknown>;
  stop(): Promise<void>;
}

export interface BullmqWorkerArgs {
  readonly folder: string;
  readonly port: number;
  readonly concurrency: number;
}

export const QUEUE = 'bench';

/** Pinned, and not among the dependencies. */
const PACKAGES = { bullmq: '6.7.0', ioredis: '6.0.0' } as const;
/** A job that takes longer has no worker any more. */
const JOB_MS = 30_000;

interface Connected {
  setMaxListeners(count: number): void;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}
interface ConnectionOptions {
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly maxRetriesPerRequest: null;
  };
}
interface Job {
  readonly data: object;
  waitUntilFinished(events: Connected, limitMs: number): Promise<unknown>;
}

/** As much of the library as is used; it is installed by the bench, not with the project. */
interface Bullmq {
  readonly Queue: new (
    name: string,
    options: ConnectionOptions,
  ) => Connected & { add(name: string, data: object): Promise<Job> };
  readonly QueueEvents: new (name: string, options: ConnectionOptions) => Connected;
  readonly Worker: new (
    name: string,
    work: (job: Job) => Promise<object>,
    options: ConnectionOptions & { readonly concurrency: number },
  ) => Connected;
}

/** @param folder whose node_modules hold it. */
export function loadBullmq(folder: string): Bullmq {
  return createRequire(join(folder, 'package.json'))('bullmq') as Bullmq;
}

/** @param concurrency jobs that the worker has at once, and callers at most. */
export async function startBullmq(
  concurrency: number,
): Promise<BullmqEcho | { readonly refusal: string }> {
  const program = findRedis();
  if (program === undefined) return { refusal: 'no redis-server on the PATH' };
  const folder = join(benchCache, 'bullmq');
  let redis: RedisServer;
  try {
    await installLibrary(folder, PACKAGES);
    redis = await startRedis(program);
  } catch (error) {
    return { refusal: error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'unknown' };
  }
  const args: BullmqWorkerArgs = { folder, port: redis.port, concurrency };
  const child = fork(join(__dirname, 'bullmq-main.js'), [JSON.stringify(args)]);
  const exited = once(child, 'exit');
  const failed = exited.then(([code]) => {
    throw new Error(`the worker of BullMQ ended with ${String(code)}`);
  });
  failed.catch(() => undefined);
  const { Queue, QueueEvents } = loadBullmq(folder);
  const connection = { host: '127.0.0.1', port: redis.port, maxRetriesPerRequest: null };
  const queue = new Queue(QUEUE, { connection });
  const events = new QueueEvents(QUEUE, { connection });
  // Each job that is waited for listens.
  for (const connected of [queue, events]) connected.setMaxListeners(2 * concurrency);
  const stop = async (): Promise<void> => {
    if (child.connected) child.disconnect();
    await exited;
    await events.close();
    await queue.close();
    await redis.stop();
  };
  await Promise.race([Promise.all([once(child, 'message'), events.waitUntilReady()]), failed]);
  return {
    task: async (input) => {
      const job = await queue.add('echo', input);
      return job.waitUntilFinished(events, JOB_MS);
    },
    stop,
  };
}
