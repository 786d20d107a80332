/** What the engines need to know of a model beyond its manifest, read from its other files. */
import type { JsonObject, ModelDocuments } from './model-documents';
import { countIn, numberIn, objectIn, textIn, tokenIdsIn } from './model-documents';

/** How scores become probabilities. */
export type ScoreFunction = 'softmax' | 'sigmoid' | 'none';

export interface LabelSettings {
  /** By output index; an index without a name is called `LABEL_<index>`. */
  readonly labels: ReadonlyMap<number, string>;
  readonly scores: ScoreFunction;
}

export function readLabelSettings(documents: ModelDocuments): LabelSettings {
  const { config } = documents;
  const entries = Object.entries(objectIn(config, 'id2label')).flatMap(([id, label]) =>
    /^\d{1,6}$/.test(id) && typeof label === 'string' ? [[Number(id), label] as const] : [],
  );
  return { labels: new Map(entries), scores: scoreFunctionOf(config, entries.length) };
}

function scoreFunctionOf(config: JsonObject, labelCount: number): ScoreFunction {
  const problem = textIn(config, 'problem_type');
  if (problem === 'regression') return 'none';
  return problem === 'multi_label_classification' || labelCount === 1 ? 'sigmoid' : 'softmax';
}

export function labelOf(settings: LabelSettings, index: number): string {
  return settings.labels.get(index) ?? `LABEL_${index}`;
}

export interface GenerationSettings {
  /** Tokens that end a text; not part of it. */
  readonly endIds: ReadonlySet<number>;
  /** The model's own sampling, for what a caller leaves out. */
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  /** Sizes for graphs that leave them dynamic. */
  readonly kvHeads?: number;
  readonly headSize?: number;
}

/** @param endOfText the id of the tokenizer's own end token, if it has one. */
export function readGenerationSettings(
  documents: ModelDocuments,
  endOfText: number | undefined,
): GenerationSettings {
  const { config, generationConfig, genaiConfig } = documents;
  const genai = objectIn(genaiConfig, 'model');
  const endIds =
    tokenIdsIn(generationConfig, 'eos_token_id') ??
    tokenIdsIn(config, 'eos_token_id') ??
    tokenIdsIn(genai, 'eos_token_id') ??
    (endOfText === undefined ? [] : [endOfText]);
  const samples = generationConfig['do_sample'] === true;
  const own = (field: string): number | undefined =>
    samples ? numberIn(generationConfig, field) : undefined;
  return {
    endIds: new Set(endIds),
    temperature: Math.max(0, own('temperature') ?? (samples ? 1 : 0)),
    topK: Math.max(0, Math.floor(own('top_k') ?? 0)),
    topP: shareOf(own('top_p')) ?? 1,
    minP: shareOf(own('min_p')) ?? 0,
    repetitionPenalty: positive(numberIn(generationConfig, 'repetition_penalty')),
    ...kvSizes(config, objectIn(genai, 'decoder')),
  };
}

function kvSizes(
  config: JsonObject,
  decoder: JsonObject,
): Pick<GenerationSettings, 'kvHeads' | 'headSize'> {
  const heads =
    countIn(config, 'num_attention_heads') ??
    countIn(config, 'n_head') ??
    countIn(decoder, 'num_attention_heads');
  const width = countIn(config, 'hidden_size') ?? countIn(config, 'n_embd');
  const kvHeads =
    countIn(config, 'num_key_value_heads') ?? countIn(decoder, 'num_key_value_heads') ?? heads;
  const headSize =
    countIn(config, 'head_dim') ??
    countIn(decoder, 'head_size') ??
    (heads !== undefined && width !== undefined ? Math.floor(width / heads) : undefined);
  return {
    ...(kvHeads === undefined ? {} : { kvHeads }),
    ...(headSize === undefined ? {} : { headSize }),
  };
}

function shareOf(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 && value <= 1 ? value : undefined;
}

function positive(value: number | undefined): number {
  return value !== undefined && value > 0 ? value : 1;
}
