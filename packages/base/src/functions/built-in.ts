/**
 * The built-in functions and the shapes of their inputs and outputs (docs/protocol.md, Bodies).
 * Fields are camelCase; unknown ones are refused by name.
 */
import { WIRE_LIMITS } from '../limits';
import type { FunctionDefinition } from './function-definition';
import { NO_TRAITS, traitsIn } from './function-definition';
import type { JsonSchema } from './json-schema';

const model: JsonSchema = {
  type: 'string',
  minLength: 1,
  maxLength: 129,
  description: 'NAME or NAME@VERSION; may come from the header Llmos-Model instead',
};
const text: JsonSchema = { type: 'string', minLength: 1 };
const texts: JsonSchema = {
  type: 'array',
  items: text,
  minItems: 1,
  maxItems: WIRE_LIMITS.maxTexts,
};
const truncate: JsonSchema = {
  type: 'boolean',
  default: false,
  description: 'cut a text that is longer than the model reads, instead of refusing it',
};
const number: JsonSchema = { type: 'number' };
const string: JsonSchema = { type: 'string' };
const integer: JsonSchema = { type: 'integer' };

function object(
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[] = [],
): JsonSchema {
  return { type: 'object', properties, required, additionalProperties: false };
}
function list(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}
/** An object that has `text` or `texts`, not both. */
function textsInput(more: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return {
    ...object({ model, text, texts, ...more }),
    oneOf: [{ required: ['text'] }, { required: ['texts'] }],
  };
}

export const TENSOR_TYPES = [
  'float32',
  'float16',
  'float64',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
  'string',
] as const;
export type TensorType = (typeof TENSOR_TYPES)[number];

const tensor: JsonSchema = {
  ...object(
    {
      type: { type: 'string', enum: TENSOR_TYPES },
      dims: { type: 'array', items: { type: 'integer', minimum: 0 }, maxItems: 16 },
      data: {
        type: ['array', 'string'],
        description:
          'row-major values; 64-bit integers as numbers or decimal strings; or base64 of the bytes, little-endian',
      },
    },
    ['type', 'dims', 'data'],
  ),
};
const tensors: JsonSchema = { type: 'object', additionalProperties: tensor, maxProperties: 256 };

/** Of a function that reads texts. */
const count: JsonSchema = { type: 'integer', minimum: 0 };
const usage = object({ inputTokens: count }, ['inputTokens']);
const generateUsage = object({ inputTokens: count, cachedTokens: count, outputTokens: count }, [
  'inputTokens',
  'cachedTokens',
  'outputTokens',
]);
const label = object({ label: string, score: number }, ['label', 'score']);
const entity = object({ type: string, text: string, start: integer, end: integer, score: number }, [
  'type',
  'text',
  'start',
  'end',
  'score',
]);
const message = object({ role: { type: 'string', minLength: 1, maxLength: 64 }, content: string }, [
  'role',
  'content',
]);

const echo: FunctionDefinition = {
  name: 'echo',
  description: 'Answers its input unchanged',
  input: {},
  output: {},
  runs: 'program',
  traits: NO_TRAITS,
};

const embed: FunctionDefinition = {
  name: 'embed',
  description: 'Embeds texts as vectors',
  input: textsInput({ truncate }),
  output: object({ embeddings: list(list(number)), usage }, ['embeddings']),
  runs: 'model',
  traits: { ...NO_TRAITS, batches: true },
};

const classify: FunctionDefinition = {
  name: 'classify',
  description: 'Labels texts, best label first',
  input: textsInput({
    topK: { type: 'integer', minimum: 1, maximum: 10_000, description: 'default: every label' },
    truncate,
  }),
  output: object({ labels: { anyOf: [list(label), list(list(label))] }, usage }, ['labels']),
  runs: 'model',
  traits: { ...NO_TRAITS, batches: true },
};

const extract: FunctionDefinition = {
  name: 'extract',
  description: 'Finds entities; offsets count UTF-16 units; longer texts are read in windows',
  input: textsInput({}),
  output: object({ entities: { anyOf: [list(entity), list(list(entity))] }, usage }, ['entities']),
  runs: 'model',
  traits: { ...NO_TRAITS, batches: true },
};

const tokenId: JsonSchema = { type: 'integer', minimum: 0, maximum: 4294967295 };
/** As OpenAI's API bounds them. */
const countPenalty: JsonSchema = { type: 'number', minimum: -2, maximum: 2, default: 0 };
const sampling: Readonly<Record<string, JsonSchema>> = {
  temperature: {
    type: 'number',
    minimum: 0,
    maximum: 100,
    description: '0 is greedy; default: the model’s own, else 0',
  },
  topK: { type: 'integer', minimum: 0, maximum: 1_000_000, description: '0: no limit' },
  topP: { type: 'number', exclusiveMinimum: 0, maximum: 1 },
  minP: {
    type: 'number',
    minimum: 0,
    maximum: 1,
    description: 'only tokens with at least this share of the likeliest one’s probability',
  },
  repetitionPenalty: {
    type: 'number',
    exclusiveMinimum: 0,
    maximum: 100,
    description: 'above 1: tokens of the prompt and the output become less likely',
  },
  presencePenalty: { ...countPenalty, description: 'taken off each token of the output, once' },
  frequencyPenalty: {
    ...countPenalty,
    description: 'taken off each token of the output, as often as it is there',
  },
  logitBias: {
    type: 'object',
    patternProperties: {
      '^(0|[1-9][0-9]{0,9})$': { type: 'number', minimum: -100, maximum: 100 },
    },
    additionalProperties: false,
    maxProperties: WIRE_LIMITS.maxTokenRules,
    description: 'token id → what is added to its logit',
  },
  seed: { type: 'integer', minimum: 0, maximum: 4294967295 },
  topLogprobs: {
    type: 'integer',
    minimum: 0,
    maximum: WIRE_LIMITS.maxTopLogprobs,
    description: 'answer log-probabilities: of each token, and of so many of the likeliest ones',
  },
  n: {
    type: 'integer',
    minimum: 1,
    maximum: WIRE_LIMITS.maxSamples,
    default: 1,
    description: 'samples of the same prompt; more than one can’t be streamed',
  },
};

const tokenLogprob = object({ token: integer, text: string, logprob: number }, [
  'token',
  'text',
  'logprob',
]);
const logprobs = list(
  object({ ...tokenLogprob.properties, top: list(tokenLogprob) }, [
    'token',
    'text',
    'logprob',
    'top',
  ]),
);
const sample: Readonly<Record<string, JsonSchema>> = {
  text: string,
  tokens: list(integer),
  finishReason: { type: 'string', enum: ['stop', 'length'] },
  logprobs,
};

const generate: FunctionDefinition = {
  name: 'generate',
  description: 'Continues a prompt or a conversation; Llmos-Stream: true streams it in chunks',
  input: {
    ...object({
      model,
      prompt: {
        type: 'string',
        description: 'may be empty where the model begins texts by a token of its own',
      },
      messages: { type: 'array', items: message, minItems: 1, maxItems: 1024 },
      maxTokens: { type: 'integer', minimum: 1, maximum: 1_000_000, default: 128 },
      minTokens: {
        type: 'integer',
        minimum: 0,
        maximum: 1_000_000,
        default: 0,
        description: 'tokens before which nothing but maxTokens ends the output',
      },
      stop: {
        anyOf: [
          { type: 'string', minLength: 1, maxLength: 256 },
          {
            type: 'array',
            items: { type: 'string', minLength: 1, maxLength: 256 },
            maxItems: 16,
          },
        ],
      },
      stopTokens: { type: 'array', items: tokenId, maxItems: WIRE_LIMITS.maxTokenRules },
      ...sampling,
    }),
    oneOf: [{ required: ['prompt'] }, { required: ['messages'] }],
  },
  output: object(
    {
      ...sample,
      promptTokens: integer,
      samples: list(object(sample, ['text', 'tokens', 'finishReason'])),
      usage: generateUsage,
    },
    ['text', 'tokens', 'promptTokens', 'finishReason'],
  ),
  runs: 'model',
  traits: { streams: true, resumable: true, preemptible: true, keepsRows: true, batches: true },
};

const infer: FunctionDefinition = {
  name: 'infer',
  description: 'Runs any ONNX model on named tensors; a stateful model keeps its state by key',
  input: object(
    {
      model,
      inputs: tensors,
      key: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' },
      outputs: { type: 'array', items: string, minItems: 1, maxItems: 256 },
    },
    ['inputs'],
  ),
  output: object({ outputs: tensors }, ['outputs']),
  runs: 'model',
  // Its tensors are the caller's own batch.
  traits: NO_TRAITS,
};

export const BUILT_IN_FUNCTIONS: readonly FunctionDefinition[] = [
  echo,
  embed,
  classify,
  extract,
  generate,
  infer,
];

/** Of the built-in functions; of any other name NO_TRAITS. */
export const builtInTraits = traitsIn(BUILT_IN_FUNCTIONS);
