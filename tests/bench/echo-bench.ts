/** Echo through SDK, kernel, mailbox and back, against what NATS alone costs, and against BullMQ. */
import type { LlmosClient } from '@llmos/sdk';
import type { BareNats } from './bare-nats';
import { startBareNats } from './bare-nats';
import type { BullmqEcho } from './bullmq-echo';
import { startBullmq } from './bullmq-echo';
import type { LoopResult } from './closed-loop';
import { closedLoop } from './closed-loop';
import type { Figure } from './figures';
import { figureOf, ratios } from './figures';

const ROUND_MS = 1_500;
const WARM_UP_MS = 3_000;
const CALLERS = 64;
const INPUT = { text: 'I am still waiting on my card, when will it arrive?', more: [1, 2, 3] };
const BODY = Buffer.from(JSON.stringify(INPUT));

interface Rounds {
  readonly latency: LoopResult[];
  readonly bareLatency: LoopResult[];
  readonly throughput: LoopResult[];
  readonly bareThroughput: LoopResult[];
  /** Empty where there is no Redis. */
  readonly bullmq: LoopResult[];
}

interface Arrangements {
  readonly os: LlmosClient;
  readonly bare: BareNats;
  readonly bullmq: BullmqEcho | undefined;
}

export async function benchEcho(of: {
  readonly os: LlmosClient;
  readonly natsUrl: string;
  readonly rounds: number;
}): Promise<readonly Figure[]> {
  const bare = await startBareNats(of.natsUrl);
  const bullmq = await startBullmq(CALLERS);
  const other = 'refusal' in bullmq ? undefined : bullmq;
  if ('refusal' in bullmq) process.stderr.write(`no figures of BullMQ: ${bullmq.refusal}\n`);
  try {
    const parts: Arrangements = { os: of.os, bare, bullmq: other };
    await runRound(parts, WARM_UP_MS);
    const rounds: Rounds = {
      latency: [],
      bareLatency: [],
      throughput: [],
      bareThroughput: [],
      bullmq: [],
    };
    for (let round = 0; round < of.rounds; round += 1) {
      const results = await runRound(parts, ROUND_MS);
      for (const [name, result] of Object.entries(results))
        rounds[name as keyof Rounds].push(result);
    }
    return figuresOf(rounds);
  } finally {
    await other?.stop();
    await bare.stop();
  }
}

async function runRound(
  { os, bare, bullmq }: Arrangements,
  durationMs: number,
): Promise<Partial<Record<keyof Rounds, LoopResult>>> {
  const loop = (callers: number, once: () => Promise<unknown>): Promise<LoopResult> =>
    closedLoop({ callers, durationMs, once });
  return {
    latency: await loop(1, () => os.echo(INPUT)),
    bareLatency: await loop(1, () => bare.roundTrip(BODY)),
    throughput: await loop(CALLERS, () => os.echo(INPUT)),
    bareThroughput: await loop(CALLERS, () => bare.task(BODY)),
    ...(bullmq === undefined ? {} : { bullmq: await loop(CALLERS, () => bullmq.task(INPUT)) }),
  };
}

function figuresOf(rounds: Rounds): readonly Figure[] {
  const p50 = (results: readonly LoopResult[]) => results.map((result) => result.p50Ms);
  const rate = (results: readonly LoopResult[]) => results.map((result) => result.perSecond);
  return [
    figureOf({ name: 'echo latency p50', unit: 'ms', rounds: p50(rounds.latency) }),
    figureOf({ name: 'bare round trip p50', unit: 'ms', rounds: p50(rounds.bareLatency) }),
    figureOf({
      name: 'echo latency p50 / bare round trip',
      unit: '×',
      rounds: ratios(p50(rounds.latency), p50(rounds.bareLatency)),
      goal: { kind: 'at-most', value: 5 },
    }),
    figureOf({ name: 'echo throughput', unit: '/s', rounds: rate(rounds.throughput) }),
    figureOf({ name: 'bare loop throughput', unit: '/s', rounds: rate(rounds.bareThroughput) }),
    figureOf({
      name: 'echo throughput / bare loop',
      unit: '×',
      rounds: ratios(rate(rounds.throughput), rate(rounds.bareThroughput)),
      goal: { kind: 'at-least', value: 0.5 },
    }),
    ...bullmqFigures(rate(rounds.throughput), rate(rounds.bullmq)),
  ];
}

function bullmqFigures(echo: readonly number[], bullmq: readonly number[]): readonly Figure[] {
  if (bullmq.length === 0) return [];
  return [
    figureOf({ name: 'BullMQ throughput', unit: '/s', rounds: bullmq }),
    figureOf({ name: 'echo throughput / BullMQ', unit: '×', rounds: ratios(echo, bullmq) }),
  ];
}
