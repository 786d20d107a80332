/**
 * The engines of one loaded model: the tensor engine, which serves `infer` for every model, and the
 * engine of the model's own function.
 */
import type { ModelManifest } from '@llmos/base';
import { LlmosError } from '@llmos/base';
import type { GraphFacts } from '../models/graph-facts';
import { hasDependentRows, sharesKvBuffer } from '../models/graph-facts';
import { MODEL_LIMITS } from '../models/limits';
import type { ModelDocuments } from '../models/model-documents';
import { tokenTextIn } from '../models/model-documents';
import { readGenerationSettings, readLabelSettings } from '../models/model-settings';
import type { ChatTemplate } from '../ports/chat-template';
import type { ModelRunner } from '../ports/model-runner';
import type { TextTokenizer } from '../ports/text-tokenizer';
import { BatchEngine } from './batch-engine';
import { DecoderGraph } from './decoder-graph';
import { EncoderGraph } from './encoder-graph';
import type { Engine } from './engine';
import { GenerateEngine } from './generate-engine';
import { ENGINE_LIMITS } from './limits';
import { TensorEngine } from './tensor-engine';
import { textFunctionOf } from './text-functions';

export interface ModelParts {
  readonly manifest: ModelManifest;
  readonly documents: ModelDocuments;
  readonly graph: GraphFacts;
  readonly runner: ModelRunner;
  /** Absent for models of the task `infer`. */
  readonly tokenizer?: TextTokenizer;
  readonly chatTemplate?: ChatTemplate;
}

export type ModelEngines = ReadonlyMap<string, Engine>;

/** Engines by function name. Throws FAILED_PRECONDITION where the graph does not fit its task. */
export function openEngines(parts: ModelParts): ModelEngines {
  const { manifest, runner } = parts;
  const engines = new Map<string, Engine>();
  engines.set('infer', new TensorEngine(runner, manifest.state ?? []));
  switch (manifest.task) {
    case 'infer':
      break;
    case 'generate':
      engines.set(manifest.task, openGenerateEngine(parts));
      break;
    case 'embed':
    case 'classify':
    case 'extract':
      engines.set(manifest.task, openBatchEngine(parts));
      break;
  }
  return engines;
}

function openBatchEngine(parts: ModelParts): Engine {
  const { manifest, runner } = parts;
  const tokenizer = requireTokenizer(parts);
  const model = { manifest, tokenizer, labels: readLabelSettings(parts.documents) };
  const read = textFunctionOf({ ...model, maxTokens: maxTokensOf(manifest) });
  const graph = new EncoderGraph({
    runner,
    outputNames: read.outputNames,
    outputRank: read.outputRank,
    padId: tokenizer.padId ?? 0,
  });
  const staticRows = graph.staticRows ?? ENGINE_LIMITS.maxBatchRows;
  if (graph.staticRows !== undefined && graph.staticRows !== 1) {
    throw refuse(`the graph takes ${graph.staticRows} rows at a time; it must take one or any`);
  }
  const maxTokens = Math.min(maxTokensOf(manifest), graph.staticLength ?? Infinity);
  return new BatchEngine({
    function: textFunctionOf({ ...model, maxTokens }),
    runRows: (rows) => graph.run(rows),
    limits: {
      maxRows: hasDependentRows(parts.graph) ? 1 : staticRows,
      maxTokens: ENGINE_LIMITS.maxBatchTokens,
    },
  });
}

function openGenerateEngine(parts: ModelParts): Engine {
  const { documents, manifest, runner } = parts;
  const tokenizer = requireTokenizer(parts);
  const endOfText = tokenTextIn(documents.tokenizerConfig, 'eos_token');
  const settings = readGenerationSettings(
    documents,
    endOfText === undefined ? undefined : tokenizer.idOf(endOfText),
  );
  return new GenerateEngine({
    graph: new DecoderGraph({ runner, settings, isShared: sharesKvBuffer(parts.graph) }),
    tokenizer,
    chatTemplate: parts.chatTemplate,
    settings,
    maxTokens: maxTokensOf(manifest),
  });
}

function maxTokensOf(manifest: ModelManifest): number {
  return manifest.maxTokens ?? MODEL_LIMITS.defaultMaxTokens;
}

function requireTokenizer(parts: ModelParts): TextTokenizer {
  if (parts.tokenizer === undefined) throw refuse(`a model to ${parts.manifest.task} reads texts`);
  return parts.tokenizer;
}

function refuse(message: string): LlmosError {
  return new LlmosError('FAILED_PRECONDITION', message);
}
