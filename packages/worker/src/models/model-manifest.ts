/**
 * Infers how to run a package of the Hugging Face layout: what `llmos.json` leaves out is read from
 * the other files and from the graph's inputs and outputs.
 */
import type { ModelManifest } from '@llmos/base';
import { LlmosError, quoteShort } from '@llmos/base';
import type { GraphFacts } from './graph-facts';
import { traitsOf } from './graph-facts';
import { MODEL_LIMITS } from './limits';
import type { ManifestFields } from './manifest-fields';
import type { ModelDocuments } from './model-documents';
import { countIn, objectIn } from './model-documents';
import { inferTask, profileOf, readsTexts } from './model-tasks';
import { inferStatePairs } from './state-pairs';

const PREFERRED_GRAPHS = ['onnx/model.onnx', 'model.onnx'] as const;

/** The graph to run: the one asked for, the usual name, or the only one. */
export function chooseGraph(paths: readonly string[], wanted?: string): string {
  const graphs = paths.filter((path) => path.endsWith('.onnx'));
  if (wanted !== undefined) {
    if (paths.includes(wanted)) return wanted;
    throw refuse(`the package has no file ${quoteShort(wanted)}, which it names as its graph`);
  }
  const usual = PREFERRED_GRAPHS.find((path) => graphs.includes(path));
  const [only, second] = graphs;
  if (usual !== undefined) return usual;
  if (only === undefined) throw refuse('the package has no graph: no file ends with .onnx');
  if (second === undefined) return only;
  const names = graphs.slice(0, 10).join(', ');
  throw refuse(`the package has several graphs (${names}): name one as "graph" in llmos.json`);
}

export interface ManifestSources {
  readonly fields: ManifestFields;
  /** As chosen by `chooseGraph`. */
  readonly graphPath: string;
  readonly graph: GraphFacts;
  readonly documents: ModelDocuments;
}

export function inferManifest(sources: ManifestSources): ModelManifest {
  const { fields, documents, graph } = sources;
  const task = fields.task ?? inferTask(documents, graph);
  if (readsTexts(task) && documents.tokenizer === undefined) {
    throw refuse(`the package has no tokenizer.json, which the task ${task} needs`);
  }
  const { engine, traits } = profileOf(task);
  const isTensor = engine === 'tensor';
  const state = fields.state ?? (isTensor ? inferStatePairs(graph.inputs, graph.outputs) : []);
  if (state.length > 0 && (fields.threads ?? 1) > 1) {
    throw refuse(`threads is ${fields.threads}: a model that keeps state by key runs in one thread`);
  }
  return {
    task,
    graph: sources.graphPath,
    ...(fields.threads === undefined ? {} : { threads: fields.threads }),
    ...(fields.sharedWeights === undefined ? {} : { sharedWeights: fields.sharedWeights }),
    ...(isTensor ? {} : { maxTokens: fields.maxTokens ?? inferMaxTokens(documents) }),
    ...(task === 'embed' ? inferPooling(sources) : {}),
    ...(state.length === 0 ? {} : { state }),
    ...(traits.keepsRows && fields.sharedPrefixes === true ? { sharedPrefixes: true } : {}),
    ...(fields.description === undefined ? {} : { description: fields.description }),
    traits: traitsOf(graph),
  };
}

function inferMaxTokens(documents: ModelDocuments): number {
  const { config, tokenizerConfig, sentenceConfig, genaiConfig } = documents;
  const stated = [
    countIn(config, 'max_position_embeddings') ??
      countIn(config, 'n_positions') ??
      countIn(config, 'n_ctx'),
    countIn(tokenizerConfig, 'model_max_length'),
    countIn(sentenceConfig, 'max_seq_length'),
    countIn(objectIn(genaiConfig, 'model'), 'context_length'),
    // A tokenizer that knows no limit says 1e30.
  ].filter((tokens) => tokens !== undefined && tokens <= MODEL_LIMITS.maxContextTokens);
  return stated.length === 0
    ? MODEL_LIMITS.defaultMaxTokens
    : Math.min(...(stated as readonly number[]));
}

function inferPooling(sources: ManifestSources): Pick<ModelManifest, 'pooling' | 'normalize'> {
  const { fields, documents, graph } = sources;
  const isPooled = graph.outputs.some((output) => output.name === 'sentence_embedding');
  const usesCls = documents.pooling['pooling_mode_cls_token'] === true;
  const pooling = fields.pooling ?? (isPooled ? 'none' : usesCls ? 'cls' : 'mean');
  const modules = documents.sentenceModules;
  const normalizes =
    modules === undefined
      ? // A graph that pools by itself is taken at its word.
        pooling !== 'none'
      : modules.some((type) => type.endsWith('Normalize'));
  return { pooling, normalize: fields.normalize ?? normalizes };
}

function refuse(message: string): LlmosError {
  return new LlmosError('INVALID_ARGUMENT', message);
}
