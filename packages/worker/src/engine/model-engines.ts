/**
 * The engines of one loaded model: the tensor engine, which every model has, and the engine of the
 * model's own function.
 */
import type { ModelManifest } from '@llmos/base';
import { LlmosError, SERVED_BY_ALL, assertNever } from '@llmos/base';
import type { GenerationBounds } from '../actors/thread-protocol';
import type { GraphFacts } from '../models/graph-facts';
import { hasDependentRows } from '../models/graph-facts';
import { MODEL_LIMITS } from '../models/limits';
import type { ModelDocuments } from '../models/model-documents';
import { tokenTextIn } from '../models/model-documents';
import { profileOf } from '../models/model-tasks';
import { readGenerationSettings, readLabelSettings } from '../models/model-settings';
import type { ChatTemplate } from '../ports/chat-template';
import type { ModelRunner } from '../ports/model-runner';
import type { RowCopier } from '../ports/row-copier';
import type { TextTokenizer } from '../ports/text-tokenizer';
import { BatchEngine } from './encoders/batch-engine';
import { EncoderGraph } from './encoders/encoder-graph';
import type { CostMeter } from './cost-meter';
import type { ContinuousEngine, Engine } from './engine';
import { ENGINE_LIMITS } from './limits';
import { openGenerateEngine } from './generation/open-generate-engine';
import { TensorEngine } from './tensors/tensor-engine';
import { textFunctionOf } from './encoders/text-functions';

export interface ModelParts {
  readonly manifest: ModelManifest;
  readonly documents: ModelDocuments;
  readonly graph: GraphFacts;
  readonly runner: ModelRunner;
  /** Absent for a model that reads no texts. */
  readonly tokenizer?: TextTokenizer;
  readonly chatTemplate?: ChatTemplate;
  readonly generation?: GenerationBounds;
  /** On a device with memory of its own. */
  readonly copier?: RowCopier;
  readonly costs: CostMeter;
  readonly nowMs: () => number;
}

export interface ModelEngines {
  /** By function name. */
  readonly stepped: ReadonlyMap<string, Engine>;
  /** Of a model whose own function keeps rows: serves that one. */
  readonly continuous?: { readonly function: string; readonly engine: ContinuousEngine };
}

/** One sequence at a time, where nobody said more. */
const DEFAULT_BOUNDS: GenerationBounds = { maxRows: 1, maxSavedBytes: 0, maxPrefixBytes: 0 };

/** Throws FAILED_PRECONDITION where the graph does not fit its task. */
export async function openEngines(parts: ModelParts): Promise<ModelEngines> {
  const { manifest, runner } = parts;
  const stepped = new Map<string, Engine>();
  stepped.set(SERVED_BY_ALL, new TensorEngine(runner, manifest.state ?? [], parts.costs));
  const { task } = manifest;
  const { engine } = profileOf(task);
  switch (engine) {
    case 'tensor':
      break;
    case 'decoder':
      return { stepped, continuous: { function: task, engine: await generateEngineOf(parts) } };
    case 'encoder':
      stepped.set(task, openBatchEngine(parts));
      break;
    default:
      assertNever(engine);
  }
  return { stepped };
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
  const isOnCpu = runner.provider === 'cpu';
  return new BatchEngine({
    function: textFunctionOf({ ...model, maxTokens }),
    runRows: (rows) => graph.run(rows),
    costs: parts.costs,
    limits: {
      maxRows: hasDependentRows(parts.graph) ? 1 : staticRows,
      maxTokens: isOnCpu ? ENGINE_LIMITS.cpuBatchTokens : ENGINE_LIMITS.maxBatchTokens,
      runCostTokens: isOnCpu ? ENGINE_LIMITS.runCostTokens : ENGINE_LIMITS.deviceRunCostTokens,
    },
    heldTokens: ENGINE_LIMITS.heldAnswerTokens,
  });
}

function generateEngineOf(parts: ModelParts): Promise<ContinuousEngine> {
  const { documents, manifest } = parts;
  const tokenizer = requireTokenizer(parts);
  const endOfText = tokenTextIn(documents.tokenizerConfig, 'eos_token');
  const endId = endOfText === undefined ? undefined : tokenizer.idOf(endOfText);
  return openGenerateEngine({
    ...parts,
    tokenizer,
    chatTemplate: parts.chatTemplate,
    settings: readGenerationSettings(documents, endId),
    maxTokens: maxTokensOf(manifest),
    bounds: parts.generation ?? DEFAULT_BOUNDS,
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
