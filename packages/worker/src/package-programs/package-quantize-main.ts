/**
 * Program: writes a quantised graph of the package named by its argument into a draft folder and
 * compares it with the original. Answers with one line of JSON, as the check of a package does.
 */
import { existsSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ModelManifest } from '@llmos/base';
import { LlmosError, decodeJson, isRecord } from '@llmos/base';
import type { QuantizeCounts } from '@llmos/onnx';
import { WeightFile, quantizeModel, readModel, writeModel } from '@llmos/onnx';
import { openOnnxRunner } from '../adapters/onnxruntime/onnx-runner';
import { readPackageDocuments } from '../adapters/package-files/model-documents-reader';
import { readPackageFolder } from '../adapters/package-files/package-folder';
import { openTokenizer } from '../adapters/tokenizers/hugging-face-tokenizer';
import { answerAsked } from './answer-program';
import { medianOf, relativeError, sampleInputs } from './graph-comparison';
import { QUANTIZE_LIMITS } from '../limits';
import { externalPaths } from '../models/external-files';
import { profileOf, readsTexts } from '../models/model-tasks';
import type { QuantizeRequest, QuantizedGraph, SpeedFigure } from './package-quantize';
import { variantPath } from './package-quantize';
import type { HostTensor, ModelRunner } from '../ports/model-runner';

/** Everyday sentences: what tokens mean to a model decides how far rounding moves its output. */
const SAMPLE_TEXT = [
  'The quick brown fox jumps over the lazy dog, and the dog does not mind at all.',
  'Once upon a time there was a little girl who lived in a house near the forest.',
  'Please send me the invoice for last month before the end of the week; thank you.',
  'How do I change the password of my account when I no longer have my old phone?',
].join(' ');
const ERROR_ROWS = 2;
const ERROR_TOKENS = 32;
const SPEED_ROWS = [1, 4, 16];
const THREADS = 2;

function tell(step: string, fraction?: number): void {
  if (process.connected) process.send?.({ step, ...(fraction === undefined ? {} : { fraction }) });
}

async function quantize(request: QuantizeRequest): Promise<QuantizedGraph> {
  const { folder, draft } = request;
  tell('reading');
  const { manifest, paths, graph } = readPackageFolder(folder, request.graph);
  const weightPaths = externalPaths(manifest.graph, graph.externalFiles);
  const source = join(folder, manifest.graph);
  const target = join(draft, basename(variantPath(manifest.graph, request.suffix)));
  const counts = write(source, target, request);
  const files = [manifest.graph, ...weightPaths].map((path) => join(folder, path));
  const beforeBytes = bytesOfFiles(files);
  const afterBytes = bytesOfFiles([target, `${target}_data`]);
  const compared = await compare({ source, target, folder, manifest });
  if (!(compared.error <= request.errorLimit)) {
    const [found, most] = [compared.error.toPrecision(3), request.errorLimit];
    throw new LlmosError(
      'FAILED_PRECONDITION',
      `the outputs differ by ${found} of their length, more than the limit ${most}: nothing is written`,
    );
  }
  return { manifest, paths, weightPaths, ...counts, beforeBytes, afterBytes, ...compared };
}

function write(source: string, target: string, request: QuantizeRequest): QuantizeCounts {
  const model = readModel(source);
  const weights = new WeightFile(join(request.draft, 'weights'));
  try {
    let percent = -1;
    const counts = quantizeModel(model, weights, {
      ...request,
      onProgress: (done, total) => {
        const now = Math.floor((100 * done) / total);
        if (now > percent) tell('quantising', done / total);
        percent = now;
      },
    });
    writeModel(model, target, { onProgress: (done, total) => tell('writing', done / total) });
    return counts;
  } finally {
    weights.close();
    rmSync(weights.file, { force: true });
  }
}

function bytesOfFiles(files: readonly string[]): number {
  return files
    .filter((file) => existsSync(file))
    .reduce((sum, file) => sum + statSync(file).size, 0);
}

interface Comparison {
  readonly source: string;
  readonly target: string;
  readonly folder: string;
  readonly manifest: ModelManifest;
}

async function compare(of: Comparison): Promise<{ error: number; speed: readonly SpeedFigure[] }> {
  tell('comparing');
  const options = { device: 'cpu', intraOpThreads: THREADS };
  const before = await openOnnxRunner({ ...options, graphFile: of.source });
  const after = await openOnnxRunner({ ...options, graphFile: of.target });
  const { task } = of.manifest;
  const ids = readsTexts(task) ? sampleIds(of.folder) : [0];
  const error = await errorBetween(before, after, ids);
  const speed: SpeedFigure[] = [];
  // A decoder spends its time on steps of one token.
  const length = profileOf(task).engine === 'decoder' ? 1 : ERROR_TOKENS;
  for (const [index, rows] of SPEED_ROWS.entries()) {
    tell('measuring', index / SPEED_ROWS.length);
    const figure = await measure([before, after], { rows, ids, length });
    if (figure !== undefined) speed.push(figure);
  }
  return { error, speed };
}

function sampleIds(folder: string): readonly number[] {
  const tokenizer = openTokenizer(readPackageDocuments(folder));
  return [...tokenizer.prefixIds, ...tokenizer.encode(SAMPLE_TEXT), ...tokenizer.suffixIds];
}

/** The largest of the outputs' errors; keys and values of a cache show in the others. */
async function errorBetween(
  before: ModelRunner,
  after: ModelRunner,
  ids: readonly number[],
): Promise<number> {
  const names = before.outputs
    .filter((spec) => /^(float|double)/.test(spec.type) && !spec.name.startsWith('present'))
    .map((spec) => spec.name);
  const isBatched = before.inputs.every((spec) => typeof spec.dims[0] !== 'number');
  const rows = isBatched ? ERROR_ROWS : 1;
  const inputs = sampleInputs(before.inputs, { rows, ids, length: ERROR_TOKENS });
  const outputs = new Map(names.map((name) => [name, 'new' as const]));
  const expected = await before.run({ inputs, outputs });
  const found = await after.run({ inputs, outputs });
  const errors = names.map((name) =>
    relativeError(expected.get(name) as HostTensor, found.get(name) as HostTensor),
  );
  return Math.max(0, ...errors);
}

/** Undefined where the graph fixes another number of rows. */
async function measure(
  runners: readonly [ModelRunner, ModelRunner],
  shape: { readonly rows: number; readonly ids: readonly number[]; readonly length: number },
): Promise<SpeedFigure | undefined> {
  const [before] = runners;
  const inputs = sampleInputs(before.inputs, shape);
  const outputs = new Map(before.outputs.map((spec) => [spec.name, 'new' as const]));
  const times: readonly [number[], number[]] = [[], []];
  const startedMs = performance.now();
  try {
    for (let round = 0; round < QUANTIZE_LIMITS.speedRounds; round += 1) {
      for (const [index, runner] of runners.entries()) {
        const fromMs = performance.now();
        await runner.run({ inputs, outputs });
        // The first round warms up.
        if (round > 0) times[index as 0 | 1].push(performance.now() - fromMs);
      }
      if (round > 2 && performance.now() - startedMs > QUANTIZE_LIMITS.speedMs) break;
    }
  } catch {
    return undefined;
  }
  return { rows: shape.rows, beforeMs: medianOf(times[0]), afterMs: medianOf(times[1]) };
}

/** The starter is the same program at another moment: only the shape needs a look. */
function readRequest(text: string | undefined): QuantizeRequest {
  const value = decodeJson(new TextEncoder().encode(text ?? ''));
  if (!isRecord(value) || typeof value['folder'] !== 'string' || value['bits'] === undefined) {
    throw new LlmosError('INVALID_ARGUMENT', 'the argument is no request to quantise');
  }
  return value as unknown as QuantizeRequest;
}

void answerAsked((request) => quantize(readRequest(request)));
