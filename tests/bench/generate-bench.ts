/**
 * Generation through llmos, against what it could be done with instead, on the same machine and the
 * same weights: @huggingface/transformers, the plain loop over onnxruntime-node, and llama.cpp.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryFolder } from '../support/shared-folder';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import type { Figure } from './figures';
import { figureOf } from './figures';
import type { GenerateAnswer, GenerateChild } from './generate-child';
import { startChild } from './generate-child';
import type { WeightKind } from './generate-decoder';
import { decoderFolder } from './generate-decoder';
import type { Callers, GenerateRound, ModelGoals, PeakBytes } from './generate-figures';
import { CALLERS, figuresOfModel, MAIN_LABEL } from './generate-figures';
import { writeGguf } from './generate-gguf';
import { installLlama } from './generate-libraries';
import { LlmosGenerate } from './generate-llmos';
import { PromptMaker } from './generate-prompts';
import { installTransformers } from './transformers-embed';

const CACHE = join(repositoryFolder, '.cache', 'bench');
const MODELS = join(CACHE, 'models');
/** transformers.js takes them one by one, however many there are. */
const TRANSFORMERS_PROMPTS = 2;
const SAMPLES = 32;
const URGENT_STEPS = 3;

interface BenchOptions {
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly tell: (what: string) => void;
}

interface BenchModel {
  readonly label: string;
  readonly name: string;
  readonly folder: string;
  /** In float32, from which the file for llama.cpp is made. */
  readonly source: string;
  readonly kind: WeightKind;
  readonly goals: ModelGoals;
}

interface Size {
  readonly maxTokens: number;
  /** Of one arrangement in one round: with fewer prompts than fill the least, others follow. */
  readonly maxMs: number;
  readonly leastMs: number;
}

const FULL: Size = { maxTokens: 64, maxMs: 120_000, leastMs: 2_000 };
const QUICK: Size = { maxTokens: 12, maxMs: 15_000, leastMs: 0 };

export async function benchGenerate(options: BenchOptions): Promise<readonly Figure[]> {
  mkdirSync(MODELS, { recursive: true });
  const llama = await installLlama(CACHE);
  if ('refusal' in llama) options.tell(`llama.cpp is left out: ${llama.refusal}`);
  const installed = await installTransformers();
  const system = await startTestSystem({ workerEnv: { LLMOS_DEVICE: 'cpu' } });
  try {
    const figures: Figure[] = [];
    for (const model of benchModels(options)) {
      options.tell(`generate: ${model.label}`);
      const children = await startChildren(model, {
        installed,
        ...('folder' in llama ? { llama: llama.folder } : {}),
        tell: options.tell,
      });
      try {
        figures.push(...(await benchModel({ model, children, system, options })));
      } finally {
        for (const child of Object.values<GenerateChild>({ ...children })) await child.stop();
      }
    }
    return figures;
  } finally {
    await system.stop();
  }
}

function benchModels({ isQuick }: BenchOptions): readonly BenchModel[] {
  const storyteller = join(repositoryFolder, 'models', 'storyteller');
  const source = decoderFolder('float32', MODELS);
  const made = (kind: WeightKind, label: string, goals: ModelGoals): BenchModel => ({
    ...{ label, kind, source, goals },
    name: `bench-decoder-${kind.replace(' ', '-')}`,
    folder: decoderFolder(kind, MODELS),
  });
  const full = { overPlain: 0.9, overTransformers: 2.5, outsidePercent: 10 };
  return [
    {
      ...{ label: 'storyteller', name: 'storyteller', kind: 'float32' },
      ...{ folder: storyteller, source: storyteller, goals: { overTransformers: 3 } },
    },
    made('float32', MAIN_LABEL, full),
    ...(isQuick
      ? []
      : [made('8 bits', '100M in 8 bits', {}), made('4 bits', '100M in 4 bits', {})]),
  ];
}

interface Children {
  readonly plain: GenerateChild;
  readonly transformers: GenerateChild;
  readonly llama?: GenerateChild;
}

async function startChildren(
  model: BenchModel,
  of: {
    readonly installed: string;
    readonly llama?: string;
    readonly tell: (what: string) => void;
  },
): Promise<Children> {
  const plain = await startChild('generate-plain-main.js', [model.folder]);
  const program = 'generate-transformers-main.js';
  const transformers = await startChild(program, [model.folder, of.installed]);
  if ('refusal' in plain || 'refusal' in transformers) throw new Error('a child does not work');
  if (of.llama === undefined) return { plain, transformers };
  const file = join(MODELS, `${model.name}.gguf`);
  writeGguf(model.source, file, model.kind);
  const llama = await startChild('generate-llama-main.js', [file, of.llama]);
  if (!('refusal' in llama)) return { plain, transformers, llama };
  of.tell(`llama.cpp is left out: ${llama.refusal}`);
  return { plain, transformers };
}

interface Parts {
  readonly model: BenchModel;
  readonly children: Children;
  readonly system: TestSystem;
  readonly options: BenchOptions;
}

async function benchModel(parts: Parts): Promise<readonly Figure[]> {
  const { model, children, system, options } = parts;
  const size = options.isQuick ? QUICK : FULL;
  await system.addModel(model.name, model.folder);
  const llmos = new LlmosGenerate(system.os, system.worker.ready.httpUrl, model.name);
  const prompts = new PromptMaker(model.folder);
  const round = { children, llmos, prompts };
  await runRound({ ...round, size: { ...size, maxTokens: 8 } });
  const rounds: GenerateRound[] = [];
  for (let count = 0; count < options.rounds; count += 1) {
    rounds.push(await runRound({ ...round, size }));
  }
  const peaks: PeakBytes = {
    llmos: await llmos.peakBytes(),
    plain: children.plain.peakBytes(),
    transformers: children.transformers.peakBytes(),
    ...(children.llama === undefined ? {} : { llama: children.llama.peakBytes() }),
  };
  const figures = figuresOfModel({ label: model.label, rounds, peaks, goals: model.goals });
  if (model.label !== MAIN_LABEL) return figures;
  return [...figures, ...(await sharingFigures({ llmos, prompts, rounds: options.rounds }))];
}

interface RoundParts {
  readonly children: Children;
  readonly llmos: LlmosGenerate;
  readonly prompts: PromptMaker;
  readonly size: Size;
}

/** Each in turn, so that none has the machine to itself for longer than the others. */
async function runRound({ children, llmos, prompts, size }: RoundParts): Promise<GenerateRound> {
  const child = (of: GenerateChild, count: number): Promise<GenerateAnswer> =>
    untilLeast(size.leastMs, () =>
      of.run({ prompts: prompts.take(count).map((text) => prompts.idsOf(text)), ...size }),
    );
  const forAll = async (
    run: (count: Callers) => Promise<GenerateAnswer>,
  ): Promise<Record<Callers, GenerateAnswer>> => {
    const [one, four, sixteen] = CALLERS;
    return { [one]: await run(one), [four]: await run(four), [sixteen]: await run(sixteen) };
  };
  const { llama } = children;
  const plain = await child(children.plain, 1);
  const before = await llmos.counts();
  const own = await forAll((count) =>
    untilLeast(size.leastMs, () => llmos.run({ prompts: prompts.take(count), ...size })),
  );
  const after = await llmos.counts();
  const transformers = await child(children.transformers, TRANSFORMERS_PROMPTS);
  const other = after.otherSeconds - before.otherSeconds;
  const inside = after.runSeconds - before.runSeconds;
  return {
    llmos: own,
    plain,
    transformers,
    ...(llama === undefined ? {} : { llama: await forAll((count) => child(llama, count)) }),
    outsidePercent: (100 * other) / (other + inside),
    guessedPercent:
      (100 * (after.accepted - before.accepted)) / (after.generated - before.generated),
  };
}

/** A small model is done with its prompts before a time can be told from noise. */
async function untilLeast(
  leastMs: number,
  run: () => Promise<GenerateAnswer>,
): Promise<GenerateAnswer> {
  let { generations, durationMs } = await run();
  while (durationMs < leastMs) {
    const more = await run();
    generations = [...generations, ...more.generations];
    durationMs += more.durationMs;
  }
  return { generations, durationMs };
}

/** What generations that share a process owe each other. */
async function sharingFigures(of: {
  readonly llmos: LlmosGenerate;
  readonly prompts: PromptMaker;
  readonly rounds: number;
}): Promise<readonly Figure[]> {
  const { llmos, prompts } = of;
  const steps: number[] = [];
  const firstMs: number[] = [];
  const prefills: number[] = [];
  for (let round = 0; round < of.rounds; round += 1) {
    const urgent = prompts.take(1)[0] ?? '';
    const bulk = { prompts: prompts.take(16), maxTokens: 400, maxMs: FULL.maxMs };
    const together = await llmos.urgentAmong({ ...bulk, urgent });
    steps.push(together.steps);
    firstMs.push(together.firstMs);
    // One that ends by itself: with it, the counts of those that were cut off are known too.
    await llmos.run({ ...QUICK, prompts: prompts.take(1) });
    const before = await llmos.counts();
    const promptTokens = await llmos.sample(prompts.take(1)[0] ?? '', SAMPLES);
    const after = await llmos.counts();
    prefills.push((after.prefilled - before.prefilled) / promptTokens);
  }
  return [
    figureOf({
      name: 'interactive first token among 16',
      unit: 'steps',
      rounds: steps,
      goal: { kind: 'at-most', value: URGENT_STEPS },
    }),
    figureOf({ name: 'interactive first token among 16: time', unit: 'ms', rounds: firstMs }),
    figureOf({
      name: `prefills of ${SAMPLES} samples of one prompt`,
      unit: '×',
      rounds: prefills,
      goal: { kind: 'at-most', value: 1 },
    }),
  ];
}
