/**
 * The tasks that a model can have: which engine serves each, what its own function is like, and how
 * a task is told from the files of a package. Everything else in the worker asks for the engine or
 * the traits; a new task is a row here.
 */
import type { FunctionTraits, ModelTask } from '@llmos/base';
import { builtInTraits } from '@llmos/base';
import type { GraphFacts } from './graph-facts';
import type { JsonObject, ModelDocuments } from './model-documents';
import { objectIn } from './model-documents';

/**
 * `encoder` reads texts as rows of tokens, each in one run; `decoder` reads a prompt and makes one
 * token after the other; `tensor` runs the graph on the tensors that it is given, and reads no text.
 */
export type EngineKind = 'encoder' | 'decoder' | 'tensor';

export interface TaskProfile {
  readonly engine: EngineKind;
  /** Of the function that has the task's name. */
  readonly traits: FunctionTraits;
}

const ENGINES: Readonly<Record<ModelTask, EngineKind>> = {
  embed: 'encoder',
  classify: 'encoder',
  extract: 'encoder',
  generate: 'decoder',
  infer: 'tensor',
};

export function profileOf(task: ModelTask): TaskProfile {
  return { engine: ENGINES[task], traits: builtInTraits(task) };
}

export function readsTexts(task: ModelTask): boolean {
  return ENGINES[task] !== 'tensor';
}

/** What the configuration says, else what the graph looks like. */
export function inferTask(documents: ModelDocuments, graph: GraphFacts): ModelTask {
  if (documents.tokenizer === undefined) return 'infer';
  const inputs = new Set(graph.inputs.map((input) => input.name));
  if (!inputs.has('input_ids')) return 'infer';
  return taskOfArchitecture(documents.config) ?? taskOfGraph(graph, documents.config);
}

function taskOfArchitecture(config: JsonObject): ModelTask | undefined {
  const list = config['architectures'];
  const name: unknown = Array.isArray(list) ? list[0] : undefined;
  if (typeof name !== 'string') return undefined;
  if (name.endsWith('ForSequenceClassification')) return 'classify';
  if (name.endsWith('ForTokenClassification')) return 'extract';
  if (name.endsWith('ForCausalLM') || name.endsWith('LMHeadModel')) return 'generate';
  return undefined;
}

function taskOfGraph(graph: GraphFacts, config: JsonObject): ModelTask {
  const outputs = new Map(graph.outputs.map((output) => [output.name, output]));
  const logits = outputs.get('logits');
  const hasPast = graph.inputs.some((input) => input.name.startsWith('past'));
  if (logits !== undefined && hasPast) return 'generate';
  const isEncoder = ['sentence_embedding', 'last_hidden_state', 'token_embeddings'].some((name) =>
    outputs.has(name),
  );
  if (isEncoder && !hasPast) return 'embed';
  if (logits?.dims.length === 2) return 'classify';
  // Rank 3 is a tag per token or a word per token: only as many labels as scores tell.
  const labelCount = Object.keys(objectIn(config, 'id2label')).length;
  const isTagger = logits?.dims.length === 3 && logits.dims[2] === labelCount;
  return isTagger ? 'extract' : 'infer';
}
