/**
 * Protobuf bodies of tasks and results (functions.proto). Inputs become the shapes of their JSON
 * namesakes, so that one set of checks holds for both formats.
 */
import type {
  ClassifyOutput,
  EmbedOutput,
  Entity,
  ErrorBody,
  ExtractOutput,
  GenerateOutput,
  GenerateSample,
  Label,
} from '@llmos/base';
import { LlmosError, bytesOfArray } from '@llmos/base';
import { functions } from '@llmos/proto';
import type { EngineAnswer } from '../../engine/engine';
import { assertBodySize } from '../../engine/requests/json-body';
import type { HostTensor } from '../../ports/model-runner';
import { encodeEmbedResult, usageMessage } from './embed-result';

type Decoder = (body: Uint8Array) => unknown;

const DECODERS: Readonly<Record<string, Decoder>> = {
  echo: (body) => functions.EchoInput.decode(body).value as unknown,
  embed: (body) => withoutEmpty(functions.EmbedInput.decode(body)),
  classify: (body) => withoutEmpty(functions.ClassifyInput.decode(body)),
  extract: (body) => withoutEmpty(functions.ExtractInput.decode(body)),
  generate: (body) => withoutEmpty(functions.GenerateInput.decode(body)),
  infer: (body) => {
    const { inputs, ...rest } = functions.InferInput.decode(body);
    const tensors = Object.entries(inputs).map(([name, tensor]) => [name, tensorShape(tensor)]);
    return { ...withoutEmpty(rest), inputs: Object.fromEntries(tensors) as unknown };
  },
};

/** Throws INVALID_ARGUMENT where the body is not the function's input. */
export function decodeProtobufBody(functionName: string, body: Uint8Array): unknown {
  assertBodySize(body);
  const decode = Object.hasOwn(DECODERS, functionName) ? DECODERS[functionName] : undefined;
  if (decode === undefined) throw invalid(`${functionName} takes no protobuf: send JSON`);
  try {
    return decode(body);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw invalid(`the body is not the protobuf input of ${functionName}: ${reason}`);
  }
}

/** Absent fields come as undefined, absent lists and maps as empty ones; no input has these. */
function withoutEmpty(message: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => !isEmpty(value)));
}

function isEmpty(value: unknown): boolean {
  if (value === undefined) return true;
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function tensorShape(tensor: functions.Tensor): unknown {
  const { type, dims, data, strings } = tensor;
  return { type, dims, data: type === 'string' ? strings : Buffer.from(data).toString('base64') };
}

export function encodeProtobufResult(functionName: string, answer: EngineAnswer): Uint8Array {
  if (functionName === 'embed' && answer.kind === 'done' && answer.output.kind === 'value') {
    return encodeEmbedResult(answer.output.value as EmbedOutput);
  }
  if (answer.kind === 'failed') {
    const result = { $case: 'error', value: errorMessage(answer.error) } as const;
    return functions.TaskResult.encode({ usage: undefined, result }).finish();
  }
  const result = outputMessage(functionName, answer);
  return functions.TaskResult.encode({ usage: usageOf(functionName, answer), result }).finish();
}

/** Of `echo` the output is the caller's own, whatever it has. */
function usageOf(functionName: string, { output }: DoneAnswer): functions.Usage | undefined {
  if (functionName === 'echo' || output.kind !== 'value') return undefined;
  return usageMessage((output.value as ClassifyOutput | ExtractOutput | GenerateOutput).usage);
}

function errorMessage(error: ErrorBody): functions.Error {
  const { code, retryable, message, details } = error;
  return { code, retryable, message, details: details === undefined ? undefined : { ...details } };
}

type DoneAnswer = Extract<EngineAnswer, { kind: 'done' }>;
type ResultMessage = functions.TaskResult['result'];

function outputMessage(functionName: string, answer: DoneAnswer): ResultMessage {
  if (answer.output.kind === 'tensors') {
    const outputs = [...answer.output.tensors].map(([name, tensor]) => [name, tensorOf(tensor)]);
    const value = { outputs: Object.fromEntries(outputs) as Record<string, functions.Tensor> };
    return { $case: 'infer', value };
  }
  const { value } = answer.output;
  switch (functionName) {
    case 'classify': {
      const lists = listsOf((value as ClassifyOutput).labels) as Label[][];
      return { $case: 'classify', value: { texts: lists.map((labels) => ({ labels })) } };
    }
    case 'extract': {
      const lists = listsOf((value as ExtractOutput).entities) as Entity[][];
      return { $case: 'extract', value: { texts: lists.map((entities) => ({ entities })) } };
    }
    case 'generate': {
      const { promptTokens, samples = [], ...sample } = value as GenerateOutput;
      const all = samples.map(sampleMessage);
      return { $case: 'generate', value: { ...sampleMessage(sample), promptTokens, samples: all } };
    }
    default:
      return { $case: 'echo', value: { value } };
  }
}

function sampleMessage(sample: GenerateSample): functions.GenerateSample {
  const { text, tokens, finishReason, logprobs = [] } = sample;
  const described = logprobs.map((logprob) => ({ ...logprob, top: [...logprob.top] }));
  return { text, tokens: [...tokens], finishReason, logprobs: described };
}

/** One list per text, also for a single text. */
function listsOf(lists: readonly unknown[]): readonly unknown[] {
  return Array.isArray(lists[0]) ? lists : [lists];
}

function tensorOf(tensor: HostTensor): functions.Tensor {
  const { type, dims, elements } = tensor;
  if (!('buffer' in elements)) {
    return { type, dims: [...dims], data: Buffer.alloc(0), strings: [...elements] };
  }
  const bytes = bytesOfArray(elements);
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { type, dims: [...dims], data, strings: [] };
}

function invalid(message: string): LlmosError {
  return new LlmosError('INVALID_ARGUMENT', message);
}
