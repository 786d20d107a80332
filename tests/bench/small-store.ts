/**
 * Calls at full rate for a long time on the smallest storage: whether one is refused, and whether
 * the streams stay level. Real programs; the answers are as large as asked.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { STREAMS } from '@llmos/base';
import type { LlmosClient } from '@llmos/sdk';
import { LlmosError, connect as connectSdk } from '@llmos/sdk';
import type { JetStreamManager } from 'nats';
import { DiscardPolicy, connect } from 'nats';
import { PATIENT, startNatsServer } from '../support/nats-server';
import { startKernel, startWorker } from '../support/programs';
import type { Growth } from './growth';
import { growthOf } from './growth';

const MIB = 1024 * 1024;
const SAMPLES = 120;
const FIRST_CALL_MS = 120_000;
const READINESS_MS = 10_000;
/** A level breathes with what leaves at once; a store that fills grows by tens of MiB. */
const BOUND = { share: 0.25, amount: 2 * MIB } as const;

export interface SmallStoreOptions {
  readonly minutes: number;
  readonly callers: number;
  readonly answerBytes: number;
  readonly storageBytes: number;
  readonly say: (what: string, fields: Record<string, unknown>) => void;
}

export interface SmallStoreReport {
  readonly calls: number;
  /** How many by code; none should be. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly levels: readonly Growth[];
  /** Samples in which `/readyz` told that the kernel is not fully ready. */
  readonly unready: number;
}

interface Counts {
  calls: number;
  readonly refusals: Record<string, number>;
}

export async function benchSmallStore(options: SmallStoreOptions): Promise<SmallStoreReport> {
  const nats = await startNatsServer();
  const env = { LLMOS_SERVERS: nats.url, LLMOS_STORAGE_BYTES: String(options.storageBytes) };
  const kernel = await startKernel({ env });
  const worker = await startWorker({ env });
  const client = await connectSdk({ servers: nats.url });
  const connection = await connect({ servers: nats.url });
  try {
    await client.call('echo', '', { timeoutMs: FIRST_CALL_MS });
    const counts: Counts = { calls: 0, refusals: {} };
    const untilMs = performance.now() + options.minutes * 60_000;
    const body = 'x'.repeat(options.answerBytes);
    const callers = Array.from({ length: options.callers }, () =>
      callUntil({ client, body, untilMs, counts }),
    );
    const sampled = sample({
      manager: await connection.jetstreamManager(PATIENT),
      readyUrl: `${kernel.ready.httpUrl}/readyz`,
      untilMs,
      everyMs: (options.minutes * 60_000) / SAMPLES,
      note: (levels) => options.say('levels', { ...levels, ...counts }),
    });
    await Promise.all(callers);
    return { ...counts, ...(await sampled) };
  } finally {
    await client.close();
    await connection.close();
    await worker.stop();
    await kernel.stop();
    await nats.stop();
  }
}

async function callUntil(of: {
  readonly client: LlmosClient;
  readonly body: string;
  readonly untilMs: number;
  readonly counts: Counts;
}): Promise<void> {
  while (performance.now() < of.untilMs) {
    try {
      await of.client.call('echo', of.body);
      of.counts.calls += 1;
    } catch (error) {
      if (!(error instanceof LlmosError)) throw error;
      of.counts.refusals[error.code] = (of.counts.refusals[error.code] ?? 0) + 1;
    }
  }
}

type Sampled = Pick<SmallStoreReport, 'levels' | 'unready'>;

async function sample(of: {
  readonly manager: JetStreamManager;
  readonly readyUrl: string;
  readonly untilMs: number;
  readonly everyMs: number;
  readonly note: (levels: Readonly<Record<string, number>>) => void;
}): Promise<Sampled> {
  const series = new Map<string, number[]>();
  let unready = 0;
  for (; performance.now() < of.untilMs; await pause(of.everyMs)) {
    for (const stream of Object.values(STREAMS)) {
      const { config, state } = await of.manager.streams.info(stream);
      // What is a ring fills up to its limit, as it should.
      if (config.discard === DiscardPolicy.Old) continue;
      series.set(stream, [...(series.get(stream) ?? []), state.bytes]);
    }
    const signal = AbortSignal.timeout(READINESS_MS);
    const readiness = await fetch(of.readyUrl, { signal });
    const text = await readiness.text();
    if (!readiness.ok || text.includes('results-full')) unready += 1;
    of.note(Object.fromEntries([...series].map(([name, bytes]) => [name, bytes.at(-1) ?? 0])));
  }
  const levels = [...series].flatMap(([name, bytes]) => growthOf(name, bytes, BOUND) ?? []);
  return { levels, unready };
}
