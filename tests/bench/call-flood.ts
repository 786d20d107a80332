/**
 * `node tests/dist/bench/call-flood.js`: one client sends very many calls at once to the only
 * kernel. Whether each was answered, what another tenant waited, and whether the lease held.
 */
import { decodeJson, encodeJson } from '@llmos/base';
import { connect, createInbox } from 'nats';
import { setTimeout as pause } from 'node:timers/promises';
import { FakeNode } from '../support/fake-node';
import { startNatsServer } from '../support/nats-server';
import { startKernel } from '../support/programs';

const CALLS = 101_000;
const SEND_MS = 13_000;
const SLICE_MS = 20;
const WAIT_MS = 120_000;

async function main(): Promise<void> {
  const nats = await startNatsServer();
  const kernel = await startKernel({ env: { LLMOS_SERVERS: nats.url } });
  const node = await FakeNode.start({ natsUrl: nats.url, permits: 512 });
  const flood = await connect({ servers: nats.url });
  const other = await connect({ servers: nats.url });
  const body = encodeJson({ hello: 1 });
  const call = async (): Promise<number> => {
    const sentMs = performance.now();
    const reply = await other.request('llmos.v1.call.other.echo', body, { timeout: 60_000 });
    const answer = decodeJson(reply.data) as { ok: boolean };
    if (!answer.ok) process.stdout.write(`${JSON.stringify(answer)}\n`);
    return performance.now() - sentMs;
  };
  await call();
  const counts: Record<string, number> = {};
  let answered = 0;
  const inbox = createInbox();
  flood.subscribe(`${inbox}.*`, {
    callback: (_error, msg) => {
      const { ok, error } = decodeJson(msg.data) as { ok: boolean; error?: { code: string } };
      const name = ok ? 'OK' : (error?.code ?? 'unknown');
      counts[name] = (counts[name] ?? 0) + 1;
      answered += 1;
    },
  });
  const waits: number[] = [];
  let isSending = true;
  const probing = (async () => {
    while (isSending) {
      waits.push(await call());
      await pause(20);
    }
  })();
  const startedMs = performance.now();
  for (let sent = 0; sent < CALLS;) {
    const due = Math.min(CALLS, ((performance.now() - startedMs) / SEND_MS) * CALLS);
    for (; sent < due; sent += 1) {
      flood.publish('llmos.v1.call.flood.echo', body, { reply: `${inbox}.${sent}` });
    }
    await pause(SLICE_MS);
  }
  const sentMs = performance.now() - startedMs;
  while (answered < CALLS && performance.now() - startedMs < WAIT_MS) await pause(100);
  const answeredMs = performance.now() - startedMs;
  isSending = false;
  await probing;
  waits.sort((a, b) => a - b);
  const ended = (kernel.log().match(/"event":"leadership-ended"/g) ?? []).length;
  const figures = {
    sentMs: Math.round(sentMs),
    answeredMs: Math.round(answeredMs),
    answered,
    counts,
    otherP50Ms: Math.round(waits[Math.floor(waits.length / 2)] ?? 0),
    otherSlowestMs: Math.round(waits.at(-1) ?? 0),
    leasesLost: ended,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  process.exitCode = answered === CALLS && ended === 0 ? 0 : 1;
  await node.close();
  await flood.close();
  await other.close();
  await kernel.kill();
  await nats.stop();
}

void main();
