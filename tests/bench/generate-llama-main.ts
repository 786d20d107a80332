/**
 * Generation by llama.cpp through node-llama-cpp: a sequence for each prompt, all in one context,
 * which batches them. Arguments: the GGUF file, and the folder whose node_modules hold the library.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Generate } from './generate-child';
import { serveGenerations } from './generate-child';

/** As much of the library as is used; it is installed by the bench, not with the project. */
interface NodeLlamaCpp {
  getLlama(options: {
    readonly build: 'never';
    readonly gpu: false;
    readonly logLevel: string;
  }): Promise<{ loadModel(options: { readonly modelPath: string }): Promise<LlamaModel> }>;
}
interface LlamaModel {
  createContext(options: {
    readonly sequences: number;
    readonly contextSize: number;
    readonly threads: number;
  }): Promise<LlamaContext>;
}
interface LlamaContext {
  getSequence(): LlamaSequence;
  dispose(): Promise<void>;
}
interface LlamaSequence {
  evaluate(
    tokens: readonly number[],
    options: { readonly temperature: number; readonly yieldEogToken: boolean },
  ): AsyncGenerator<number, void, void>;
  dispose(): void;
}

/** Of each sequence. */
const CONTEXT_TOKENS = 512;
const TRIAL_TOKENS = 4;

async function main(): Promise<void> {
  const [, , file = '', installed = ''] = process.argv;
  let model: LlamaModel;
  try {
    const library = await loadLibrary(installed);
    const llama = await library.getLlama({ build: 'never', gpu: false, logLevel: 'error' });
    model = await llama.loadModel({ modelPath: file });
  } catch (error) {
    process.send?.(error instanceof Error ? error.message : String(error));
    return;
  }
  const threads = await bestThreads(model);
  let context: LlamaContext | undefined;
  let room = 0;
  const prepare = async (count: number): Promise<Generate> => {
    if (context === undefined || room !== count) {
      await context?.dispose();
      context = await openContext(model, count, threads);
      room = count;
    }
    return generateIn(context);
  };
  await serveGenerations(prepare, 'together');
}

function openContext(model: LlamaModel, sequences: number, threads: number): Promise<LlamaContext> {
  return model.createContext({ sequences, contextSize: CONTEXT_TOKENS, threads });
}

/** Its threads wait for each other by spinning: on a busy machine one alone may be faster. */
async function bestThreads(model: LlamaModel): Promise<number> {
  let best = { threads: 1, durationMs: Infinity };
  for (const threads of [1, availableParallelism()]) {
    const context = await openContext(model, 1, threads);
    const generate = generateIn(context);
    await generate([0], 1, () => false);
    const startMs = performance.now();
    await generate([0], TRIAL_TOKENS, () => false);
    const durationMs = performance.now() - startMs;
    if (durationMs < best.durationMs) best = { threads, durationMs };
    await context.dispose();
  }
  return best.threads;
}

async function loadLibrary(installed: string): Promise<NodeLlamaCpp> {
  const folder = join(installed, 'node_modules', 'node-llama-cpp');
  const { main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly main: string;
  };
  return (await import(pathToFileURL(join(folder, main)).href)) as NodeLlamaCpp;
}

function generateIn(context: LlamaContext): Generate {
  return async (prompt, maxTokens, onToken) => {
    const sequence = context.getSequence();
    let count = 0;
    const options = { temperature: 0, yieldEogToken: true };
    for await (const token of sequence.evaluate(prompt, options)) {
      const isEnough = onToken(token);
      count += 1;
      if (isEnough || count === maxTokens) break;
    }
    sequence.dispose();
  };
}

void main();
