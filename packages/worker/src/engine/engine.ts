/**
 * What the actor thread and its engines say to each other.
 *
 * An engine answers each request it is given exactly once, in any order, and rejects never: what
 * goes wrong for one request is its answer. Between model runs it gives way to what is more urgent
 * and asks whether a request was cancelled.
 */
import type { ErrorBody, GenerateChunk, TaskClass } from '@llmos/base';
import { errorBody, toErrorBody } from '@llmos/base';
import type { ContextCounts, TokenCounts } from '../actors/thread-protocol';
import type { HostTensor } from '../ports/model-runner';
import type { AnswerRoom } from './requests/answer-room';

export type EngineOutput =
  /** As the function's output schema says. */
  | { readonly kind: 'value'; readonly value: unknown }
  /** Tensors, which each body format writes in its own way. */
  | { readonly kind: 'tensors'; readonly tensors: ReadonlyMap<string, HostTensor> };

export type EngineAnswer =
  | {
      readonly kind: 'done';
      readonly output: EngineOutput;
      /** Of a generation. */
      readonly tokens?: TokenCounts;
    }
  | { readonly kind: 'failed'; readonly error: ErrorBody };

/** A request whose input was checked against the function's schema. */
export interface EngineRequest {
  readonly requestId: number;
  readonly function: string;
  readonly input: unknown;
  /** Of its task; an input may name one of its own. */
  readonly key?: string;
  readonly stream: boolean;
  readonly resumeTokens: readonly number[];
  readonly seedText: string;
  /** Whose request it is; empty where nobody said. */
  readonly tenant: string;
  readonly class: TaskClass;
  readonly priority: number;
  /** Older ones have smaller numbers. */
  readonly sequence: number;
  /** What its answer may take; absent: ANY_ROOM. */
  readonly room?: AnswerRoom;
}

export interface EngineCalls {
  answer(requestId: number, answer: EngineAnswer): void;
  chunk(requestId: number, chunk: GenerateChunk): void;
  isCancelled(requestId: number): boolean;
  /**
   * Between two model runs: lets messages in, and runs to its end what came and is more urgent.
   * Cancels may have come in as well.
   *
   * @param before is called first where there is such work, which may take long.
   */
  giveWay(before?: () => void): Promise<void>;
}

/**
 * Runs a step to its end. While it gives way another step of the same engine may run, more urgent
 * than this one: what belongs to one step is kept in that call.
 */
export interface Engine {
  run(requests: readonly EngineRequest[], calls: EngineCalls): Promise<void>;
}

export interface GenerationCalls {
  answer(requestId: number, answer: EngineAnswer): void;
  chunk(requestId: number, chunk: GenerateChunk): void;
  /** The first token is there, of one that neither streams nor goes on after others. */
  began(requestId: number): void;
  /** The answer of a request that was given back. */
  preempted(requestId: number, tokens: readonly number[], text: string): void;
  contexts(counts: ContextCounts): void;
  /** Lets messages in; resolves soon. */
  pause(): Promise<void>;
  nowMs(): number;
}

/** Takes requests at any time: they join the ones that run. Cancels act at the next step. */
export interface ContinuousEngine {
  join(requests: readonly EngineRequest[], calls: GenerationCalls): void;
  cancel(requestId: number): void;
  preempt(requestId: number): void;
  /** Cancels everything; resolves when all of it is answered and no model run is under way. */
  close(): Promise<void>;
}

export function valueAnswer(value: unknown): EngineAnswer {
  return { kind: 'done', output: { kind: 'value', value } };
}

export function failedAnswer(thrown: unknown): EngineAnswer {
  return { kind: 'failed', error: toErrorBody(thrown) };
}

export const CANCELLED_ANSWER: EngineAnswer = {
  kind: 'failed',
  error: errorBody('CANCELLED', 'the task was cancelled'),
};
