/** Embed of single sentences through llmos, against onnxruntime-node and transformers.js alone. */
import { join } from 'node:path';
import type { LlmosClient } from '@llmos/sdk';
import { checkPackage } from '@llmos/worker';
import { repositoryFolder, sharedFolder } from '../support/shared-folder';
import type { LoopResult } from './closed-loop';
import { closedLoop, repeat } from './closed-loop';
import type { DirectEmbed } from './direct-embed';
import { startDirectEmbed } from './direct-embed';
import type { Figure } from './figures';
import { figureOf, ratios } from './figures';
import { median } from './growth';
import { benchSentences } from './sentences';
import type { TransformersEmbed } from './transformers-embed';
import { startTransformers } from './transformers-embed';

const ROUND_MS = 3_000;
const WARM_UP_MS = 3_000;
/**
 * Of llmos, before: kernel, host and client run JavaScript, and V8 compiles it anew until then. Of
 * the others nearly all is native code, which is as fast at once.
 */
const WARM_UP_REQUESTS = 10_000;
const QUICK_WARM_UP_REQUESTS = 500;
const CHOICE_MS = 1_500;
const CALLERS = 32;
const RUNNERS = 2;
/** Of the direct arrangement: the best of these is what llmos is measured against. */
const DIRECT_BATCHES = [4, 8, 16] as const;
const TRANSFORMERS_BATCH = 16;
const MODEL = 'bench-encoder';

interface Arrangements {
  readonly os: LlmosClient;
  readonly direct: DirectEmbed;
  readonly transformers: TransformersEmbed;
  readonly sentences: readonly string[];
}

interface Round {
  readonly llmos: LoopResult;
  readonly direct: LoopResult;
  readonly oneCaller: LoopResult;
  readonly oneDirect: LoopResult;
  readonly oneByOne: number;
  readonly inBatches: number;
}

export async function benchEmbed(of: {
  readonly os: LlmosClient;
  readonly rounds: number;
  readonly isQuick: boolean;
}): Promise<readonly Figure[]> {
  const shared = sharedFolder('models', 'all-MiniLM-L6-v2');
  const folder = shared ?? join(repositoryFolder, 'models', 'mini-encoder');
  await of.os.addModel({ name: MODEL, folder, description: await checkPackage(folder) });
  const sentences = benchSentences();
  const direct = await bestDirect(folder, sentences);
  const transformers = await startTransformers(folder);
  try {
    const parts: Arrangements = { os: of.os, direct, transformers, sentences };
    await repeat({
      callers: CALLERS,
      requests: of.isQuick ? QUICK_WARM_UP_REQUESTS : WARM_UP_REQUESTS,
      once: (request) => embedOne(parts, request),
    });
    await runRound(parts, WARM_UP_MS);
    const rounds: Round[] = [];
    for (let round = 0; round < of.rounds; round += 1) rounds.push(await runRound(parts, ROUND_MS));
    return figuresOf(rounds);
  } finally {
    await transformers.stop();
    await direct.stop();
  }
}

async function bestDirect(folder: string, sentences: readonly string[]): Promise<DirectEmbed> {
  let best: { direct: DirectEmbed; perSecond: number } | undefined;
  for (const maxBatch of DIRECT_BATCHES) {
    const direct = await startDirectEmbed({ folder, runners: RUNNERS, maxBatch });
    await directLoop(direct, sentences, CALLERS, CHOICE_MS);
    const { perSecond } = await directLoop(direct, sentences, CALLERS, CHOICE_MS);
    const isBetter = best === undefined || perSecond > best.perSecond;
    await (isBetter ? best?.direct : direct)?.stop();
    if (isBetter) best = { direct, perSecond };
  }
  if (best === undefined) throw new Error('no direct arrangement');
  return best.direct;
}

function directLoop(
  direct: DirectEmbed,
  sentences: readonly string[],
  callers: number,
  durationMs: number,
): Promise<LoopResult> {
  const once = (request: number): Promise<unknown> =>
    direct.embed(sentences[request % sentences.length] ?? '');
  return closedLoop({ callers, durationMs, once });
}

function embedOne({ os, sentences }: Arrangements, request: number): Promise<unknown> {
  return os.embed({ model: MODEL, text: sentences[request % sentences.length] ?? '' });
}

async function runRound(parts: Arrangements, durationMs: number): Promise<Round> {
  const { direct, transformers, sentences } = parts;
  const llmosLoop = (callers: number): Promise<LoopResult> =>
    closedLoop({ callers, durationMs, once: (request) => embedOne(parts, request) });
  return {
    llmos: await llmosLoop(CALLERS),
    direct: await directLoop(direct, sentences, CALLERS, durationMs),
    oneByOne: await transformers.run({ sentences, batch: 1, durationMs }),
    inBatches: await transformers.run({ sentences, batch: TRANSFORMERS_BATCH, durationMs }),
    oneCaller: await llmosLoop(1),
    oneDirect: await directLoop(direct, sentences, 1, durationMs),
  };
}

function figuresOf(rounds: readonly Round[]): readonly Figure[] {
  const of = (pick: (round: Round) => number): number[] => rounds.map(pick);
  const llmos = of((round) => round.llmos.perSecond);
  const direct = of((round) => round.direct.perSecond);
  const oneByOne = of((round) => round.oneByOne);
  const oneDirect = of((round) => round.oneDirect.p50Ms);
  const rate = (name: string, values: readonly number[]): Figure =>
    figureOf({ name, unit: '/s', rounds: values });
  const time = (name: string, values: readonly number[]): Figure =>
    figureOf({ name, unit: 'ms', rounds: values });
  return [
    rate('embed throughput', llmos),
    rate('best direct throughput', direct),
    figureOf({
      name: 'embed throughput / best direct',
      unit: '×',
      rounds: ratios(llmos, direct),
      goal: { kind: 'at-least', value: 0.9 },
    }),
    rate('transformers.js one by one', oneByOne),
    rate(
      'transformers.js in batches',
      of((round) => round.inBatches),
    ),
    figureOf({
      name: 'embed throughput / transformers.js one by one',
      unit: '×',
      rounds: ratios(llmos, oneByOne),
      goal: { kind: 'at-least', value: 1.6 },
    }),
    time(
      'embed p50 at 32 callers',
      of((round) => round.llmos.p50Ms),
    ),
    time(
      'embed p99 at 32 callers',
      of((round) => round.llmos.p99Ms),
    ),
    time(
      'best direct p50 at 32 callers',
      of((round) => round.direct.p50Ms),
    ),
    time(
      'best direct p99 at 32 callers',
      of((round) => round.direct.p99Ms),
    ),
    time('one direct run p50', oneDirect),
    figureOf({
      name: 'embed latency of one caller p50',
      unit: 'ms',
      rounds: of((round) => round.oneCaller.p50Ms),
      goal: { kind: 'at-most', value: Number((1.3 * median(oneDirect) + 2).toPrecision(3)) },
    }),
  ];
}
