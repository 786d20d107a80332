/**
 * One client sends very many calls to the only kernel: whether each was answered, what another
 * tenant waited, and whether the lease held.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { decodeJson, encodeJson } from '@llmos/base';
import { connect, createInbox } from 'nats';
import type { NatsConnection } from 'nats';
import { FakeNode } from '../support/fake-node';
import { startNatsServer } from '../support/nats-server';
import { startKernel } from '../support/programs';
import { waitFor } from '../support/wait-for';

const SLICE_MS = 20;
const LIMIT_MS = 240_000;
const BODY = encodeJson({ hello: 1 });

export interface CallFloodOptions {
  readonly calls: number;
  /** Over which they are spread. */
  readonly sendMs: number;
}

export interface CallFloodReport {
  /** How many by code, `OK` among them. */
  readonly answers: Readonly<Record<string, number>>;
  readonly answered: number;
  readonly answeredMs: number;
  readonly otherP50Ms: number;
  readonly otherSlowestMs: number;
  readonly leasesLost: number;
}

export async function benchCallFlood(options: CallFloodOptions): Promise<CallFloodReport> {
  const nats = await startNatsServer();
  const kernel = await startKernel({ env: { LLMOS_SERVERS: nats.url } });
  const node = await FakeNode.start({ natsUrl: nats.url, permits: 512 });
  const flooding = await connect({ servers: nats.url });
  const other = await connect({ servers: nats.url });
  try {
    await callOnce(other);
    const waits: number[] = [];
    let isFlooding = true;
    const probing = (async () => {
      for (; isFlooding; await pause(SLICE_MS)) waits.push(await callOnce(other));
    })();
    const flood = await send(flooding, options);
    isFlooding = false;
    await probing;
    waits.sort((a, b) => a - b);
    return {
      ...flood,
      otherP50Ms: Math.round(waits[Math.floor(waits.length / 2)] ?? 0),
      otherSlowestMs: Math.round(waits.at(-1) ?? 0),
      leasesLost: (kernel.log().match(/"event":"leadership-ended"/g) ?? []).length,
    };
  } finally {
    await node.close();
    await flooding.close();
    await other.close();
    await kernel.kill();
    await nats.stop();
  }
}

async function callOnce(connection: NatsConnection): Promise<number> {
  const sentMs = performance.now();
  const timeout = LIMIT_MS;
  const reply = await connection.request('llmos.v1.call.other.echo', BODY, { timeout });
  const { ok } = decodeJson(reply.data) as { ok: boolean };
  if (!ok) throw new Error(`the call of another tenant failed: ${reply.string()}`);
  return performance.now() - sentMs;
}

type Flood = Pick<CallFloodReport, 'answers' | 'answered' | 'answeredMs'>;

async function send(connection: NatsConnection, options: CallFloodOptions): Promise<Flood> {
  const { calls, sendMs } = options;
  const answers: Record<string, number> = {};
  let answered = 0;
  const inbox = createInbox();
  connection.subscribe(`${inbox}.*`, {
    callback: (_error, msg) => {
      const { ok, error } = decodeJson(msg.data) as { ok: boolean; error?: { code: string } };
      const code = ok ? 'OK' : (error?.code ?? 'unknown');
      answers[code] = (answers[code] ?? 0) + 1;
      answered += 1;
    },
  });
  const startedMs = performance.now();
  for (let sent = 0; sent < calls; await pause(SLICE_MS)) {
    const due = Math.min(calls, ((performance.now() - startedMs) / sendMs) * calls);
    for (; sent < due; sent += 1) {
      connection.publish('llmos.v1.call.flood.echo', BODY, { reply: `${inbox}.${sent}` });
    }
  }
  await waitFor(() => answered >= calls, {
    what: `${calls} calls to be answered`,
    limitMs: LIMIT_MS,
  });
  return { answers, answered, answeredMs: Math.round(performance.now() - startedMs) };
}
