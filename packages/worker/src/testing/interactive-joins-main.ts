/**
 * For tests: 16 batch generations of the storyteller, and an interactive prompt that joins them
 * between two steps, in an OS process of its own. Prints one line of JSON: steps from there to its
 * first token, and the tokens of its prompt.
 */
import type { GenerateOutput } from '@llmos/base';
import { openOnnxRunner } from '../adapters/onnxruntime/onnx-runner';
import { scanGraph } from '../adapters/onnxruntime/graph-scan';
import { readPackageDocuments } from '../adapters/package-files/model-documents-reader';
import { openTokenizer } from '../adapters/tokenizers/hugging-face-tokenizer';
import type { EngineRequest, GenerationCalls } from '../engine/engine';
import { openEngines } from '../engine/model-engines';
import { WANTED_POSITIONS } from '../models/graph-facts';
import { shippedModel } from './model-folders';
import { testCosts } from '../testing/test-costs';

const ROWS = 16;
const JOINS_AT = 20;
const PROMPT = 'Once upon a time there was a little dog who said to the king '.repeat(20);

function requestOf(requestId: number, isUrgent: boolean): EngineRequest {
  return {
    ...{ requestId, function: 'generate', stream: isUrgent, resumeTokens: [] },
    input: isUrgent
      ? { prompt: PROMPT, maxTokens: 2 }
      : { prompt: `The ${requestId} dogs`, maxTokens: 60, temperature: 1, seed: requestId },
    ...{ seedText: `tenant/${requestId}`, tenant: 'tenant', sequence: requestId, priority: 5 },
    class: isUrgent ? 'interactive' : 'batch',
  };
}

async function main(): Promise<void> {
  const folder = shippedModel('storyteller');
  const graph = 'onnx/model.onnx';
  const documents = readPackageDocuments(folder);
  const file = `${folder}/${graph}`;
  const { continuous } = await openEngines({
    manifest: { task: 'generate', graph, maxTokens: 512 },
    documents,
    graph: scanGraph(file, graph),
    runner: await openOnnxRunner({
      ...{ graphFile: file, device: 'cpu', intraOpThreads: 1, wantedPositions: WANTED_POSITIONS },
    }),
    tokenizer: openTokenizer(documents),
    generation: { maxRows: ROWS, maxSavedBytes: 2 ** 26, maxPrefixBytes: 2 ** 26 },
    costs: testCosts(),
    nowMs: () => 0,
  });
  const generate = continuous?.engine;
  if (generate === undefined) throw new Error('the storyteller does not generate');
  const report = { running: 0, steps: 0, promptTokens: 0 };
  let nowMs = 0;
  let steps = 0;
  let left = ROWS + 1;
  await new Promise<void>((resolve) => {
    const calls: GenerationCalls = {
      answer: (requestId, answer) => {
        left -= 1;
        if (left === 0) resolve();
        if (requestId !== ROWS || answer.kind !== 'done') return;
        if (answer.output.kind !== 'value') return;
        report.promptTokens = (answer.output.value as GenerateOutput).promptTokens;
      },
      // The first one comes in the step that is not counted yet.
      chunk: () => (report.steps ||= steps + 1 - JOINS_AT),
      preempted: () => undefined,
      began: () => undefined,
      contexts: (counts) => {
        steps = counts.steps;
        if (steps === JOINS_AT) report.running = counts.running;
      },
      pause: async () => {
        if (steps === JOINS_AT) generate.join([requestOf(ROWS, true)], calls);
      },
      // Counts are told once in a while: here after each step.
      nowMs: () => (nowMs += 1000),
    };
    const batch = Array.from({ length: ROWS }, (_, requestId) => requestOf(requestId, false));
    generate.join(batch, calls);
  });
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
}

void main();
