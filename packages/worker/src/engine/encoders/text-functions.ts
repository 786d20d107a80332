/**
 * The functions that read texts with an encoder: how a request becomes rows of tokens, and how the
 * rows' outputs become its answer. All pure; the batch engine runs the rows.
 */
import type {
  ClassifyInput,
  EmbedInput,
  ExtractInput,
  ModelManifest,
  TextUsage,
  TextsInput,
} from '@llmos/base';
import { LlmosError } from '@llmos/base';
import type { LabelSettings } from '../../models/model-settings';
import { labelOf } from '../../models/model-settings';
import type { TextTokenizer, TokenizedWord } from '../../ports/text-tokenizer';
import type { AnswerRoom } from '../requests/answer-room';
import { assertFits, leastItemBytes, leastTensorBytes } from '../requests/answer-room';
import type { RowOutput } from './encoder-graph';
import type { TaggedWord } from './entities';
import { mergeEntities } from './entities';
import { rankLabels, scoresOf } from './label-scores';
import { assertFinite, firstOf, meanOf, normalized } from './pooling';
import { bestWindows, planWindows } from './text-windows';

export interface RowPlan {
  readonly rows: readonly (readonly number[])[];
  /**
   * What is kept of a row's output until all rows are there; never a view of the batch. Throws
   * RESOURCE_EXHAUSTED where the answer can't fit, which the first row tells.
   */
  keep(output: RowOutput, row: number): RowOutput;
  /** The answer, from what was kept of each row. */
  finish(outputs: readonly RowOutput[]): unknown;
}

export interface TextFunction {
  /** Output names to read, best first, and the rank of the output if none has such a name. */
  readonly outputNames: readonly string[];
  readonly outputRank: number;
  /** Throws INVALID_ARGUMENT where a text can't be read. @param room of the answer. */
  plan(input: unknown, room: AnswerRoom): RowPlan;
}

export interface TextModel {
  readonly manifest: ModelManifest;
  readonly tokenizer: TextTokenizer;
  readonly labels: LabelSettings;
  readonly maxTokens: number;
}

export function textFunctionOf(model: TextModel): TextFunction {
  switch (model.manifest.task) {
    case 'embed':
      return embedFunction(model);
    case 'classify':
      return classifyFunction(model);
    case 'extract':
      return extractFunction(model);
    default:
      throw new LlmosError('INTERNAL', `task ${model.manifest.task} does not read texts`);
  }
}

function embedFunction(model: TextModel): TextFunction {
  const { pooling = 'mean', normalize = true } = model.manifest;
  const pool = (row: RowOutput, tokenCount: number): Float32Array => {
    if (pooling === 'none') return row.values;
    return pooling === 'cls' ? firstOf(row) : meanOf(row, tokenCount);
  };
  return {
    outputNames:
      pooling === 'none' ? ['sentence_embedding'] : ['last_hidden_state', 'token_embeddings'],
    outputRank: pooling === 'none' ? 2 : 3,
    plan: (input, room) => {
      const { truncate = false, ...texts } = input as EmbedInput;
      const rows = wholeTexts(model, texts, truncate);
      return {
        rows,
        keep: (output, row) => {
          const pooled = pool(output, rows[row]?.length ?? 0);
          assertRowsFit(rows.length, { count: pooled.length, of: 'values' }, room);
          const vector = normalize ? normalized(pooled) : pooled.slice();
          assertFinite(vector);
          return { dims: [vector.length], values: vector };
        },
        finish: (outputs) => ({
          embeddings: outputs.map((output) => Array.from(output.values)),
          usage: usageOf(rows),
        }),
      };
    },
  };
}

function classifyFunction(model: TextModel): TextFunction {
  return {
    outputNames: ['logits'],
    outputRank: 2,
    plan: (input, room) => {
      const { truncate = false, topK = Infinity, ...texts } = input as ClassifyInput;
      const rows = wholeTexts(model, texts, truncate);
      return {
        rows,
        keep: (output) => {
          const count = Math.min(topK, output.values.length);
          assertRowsFit(rows.length, { count, of: 'labels' }, room);
          return copyOf(output);
        },
        finish: (outputs) => {
          const labels = outputs.map((output) => rankLabels(output.values, model.labels, topK));
          return { labels: texts.texts === undefined ? labels[0] : labels, usage: usageOf(rows) };
        },
      };
    },
  };
}

/** Where windows of a long text overlap, a token counts in each: the model reads it in each. */
function usageOf(rows: RowPlan['rows']): TextUsage {
  return { inputTokens: rows.reduce((sum, row) => sum + row.length, 0) };
}

/** An answer of so many values or labels for each text. */
function assertRowsFit(
  texts: number,
  each: { readonly count: number; readonly of: 'values' | 'labels' },
  room: AnswerRoom,
): void {
  const total = texts * each.count;
  const isValues = each.of === 'values';
  const leastBytes = isValues
    ? leastTensorBytes('float32', total, room.format)
    : total * leastItemBytes(room.format);
  const what = `${texts} texts of ${each.count} ${each.of} each`;
  const remedy = isValues ? 'send fewer texts' : 'send fewer texts, or set topK';
  assertFits([{ what, leastBytes }], room, remedy);
}

function extractFunction(model: TextModel): TextFunction {
  return {
    outputNames: ['logits'],
    outputRank: 3,
    plan: (input) => {
      const texts = input as ExtractInput;
      const plans = textsOf(texts).map((text) => planExtract(model, text));
      const rows = plans.flatMap((plan) => plan.rows);
      return {
        rows,
        keep: bestTagsOf,
        finish: (outputs) => {
          let taken = 0;
          const entities = plans.map((plan) => {
            taken += plan.rows.length;
            return plan.finish(outputs.slice(taken - plan.rows.length, taken));
          });
          const found = texts.texts === undefined ? entities[0] : entities;
          return { entities: found, usage: usageOf(rows) };
        },
      };
    },
  };
}

/** Of each token its best tag and that one's probability: logits of many tags take more. */
function bestTagsOf(output: RowOutput): RowOutput {
  const width = output.dims.at(-1) ?? 0;
  const count = width === 0 ? 0 : Math.floor(output.values.length / width);
  const values = new Float32Array(count * 2);
  assertFinite(output.values);
  for (let token = 0; token < count; token += 1) {
    const logits = output.values.subarray(token * width, (token + 1) * width);
    const scores = scoresOf(logits, 'softmax');
    const best = scores.reduce(
      (most, score, index) => (score > (scores[most] ?? 0) ? index : most),
      0,
    );
    values.set([best, scores[best] ?? 0], token * 2);
  }
  return { dims: [count, 2], values };
}

function planExtract(model: TextModel, text: string): RowPlan {
  const { prefixIds, suffixIds } = model.tokenizer;
  const capacity = contentTokens(model);
  // A single word beyond the model's length is tagged by its beginning.
  const words = model.tokenizer
    .words(text)
    .map((word) => ({ ...word, ids: word.ids.slice(0, capacity) }));
  const sizes = words.map((word) => word.ids.length);
  const windows = planWindows(sizes, capacity, Math.floor(capacity / 4));
  const rows = windows.map(({ first, end }) => {
    const content = words.slice(first, end).flatMap((word) => word.ids);
    return [...prefixIds, ...content, ...suffixIds];
  });
  return {
    rows,
    keep: bestTagsOf,
    finish: (outputs) => {
      const windowOf = bestWindows(windows, words.length);
      const tagged = words.map((word, index) => {
        const window = windowOf[index] ?? 0;
        const first = windows[window]?.first ?? 0;
        const before = sizes.slice(first, index).reduce((sum, size) => sum + size, 0);
        const output = outputs[window] as RowOutput;
        return tagOf({ model, word, output, token: prefixIds.length + before });
      });
      return mergeEntities(
        text,
        tagged.filter((word) => word.end > word.start),
      );
    },
  };
}

interface TagPlace {
  readonly model: TextModel;
  readonly word: TokenizedWord;
  readonly output: RowOutput;
  /** Of the word's first piece, in the row. */
  readonly token: number;
}

/** The tag of a word is that of its first piece. */
function tagOf(place: TagPlace): TaggedWord {
  const [best = 0, score = 0] = place.output.values.subarray(place.token * 2, place.token * 2 + 2);
  const { start, end } = place.word;
  return { start, end, tag: labelOf(place.model.labels, best), score };
}

function copyOf(output: RowOutput): RowOutput {
  assertFinite(output.values);
  return { dims: output.dims, values: output.values.slice() };
}

function textsOf(input: TextsInput): readonly string[] {
  return input.texts ?? [input.text ?? ''];
}

function contentTokens(model: TextModel): number {
  const { prefixIds, suffixIds } = model.tokenizer;
  return Math.max(1, model.maxTokens - prefixIds.length - suffixIds.length);
}

function wholeTexts(
  model: TextModel,
  input: TextsInput,
  truncate: boolean,
): readonly (readonly number[])[] {
  const { tokenizer, maxTokens } = model;
  const capacity = contentTokens(model);
  return textsOf(input).map((text, index) => {
    const place = input.texts === undefined ? 'text' : `texts[${index}]`;
    const content = tokenizer.encode(text);
    const row = [...tokenizer.prefixIds, ...content.slice(0, capacity), ...tokenizer.suffixIds];
    if (content.length > capacity && !truncate) {
      const tokens = content.length + row.length - capacity;
      throw invalid(`${place} has ${tokens} tokens; the model reads at most ${maxTokens}`);
    }
    if (row.length === 0) throw invalid(`${place} has no token that the model knows`);
    return row;
  });
}

function invalid(message: string): LlmosError {
  return new LlmosError('INVALID_ARGUMENT', message);
}
