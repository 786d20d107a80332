/**
 * Every message between a process host's main thread and one of its actor threads.
 *
 * The main thread talks to the network and never parses foreign bytes; the actor thread decodes,
 * validates, tokenises, runs and encodes. The main thread decides what runs and when, and from
 * `run` on may only cancel a request or ask it back; the actor thread decides nothing but what its
 * engines do between two model runs, and owns the request until its answer.
 *
 * - T1: `load` comes once, and nothing is run before `loaded`. `close` is the last message.
 * - T2: each request is answered exactly once, by `answered` or `preempted`, after everything else
 *   that is said of it. No other message overtakes an answer.
 * - T3: a step is one `run` to a thread that is idle; `idle` brings its last answers. A further
 *   `run` before that is one of more urgent requests: they run, to their end, between two model
 *   runs of the step. To a thread that generates, `run` may be sent at any time: those requests
 *   join the ones that run.
 * - T4: `idle` counts the `run` messages that were heard. One that counts less than were sent
 *   crossed the latest of them: the thread is not idle.
 * - T5: a cancel or preemption of a request that is not open means nothing: its answer crossed it.
 * - T6: bytes up to `MOST_COPIED_BYTES` are copied, larger ones are transferred: whoever sends
 *   them gives away a buffer that holds nothing else, and does not look at it again.
 */
import type {
  AttemptCost,
  BodyFormat,
  ErrorCode,
  GenerateChunk,
  ModelManifest,
  TaskClass,
} from '@llmos/base';

export interface LoadOptions {
  /** Folder that holds the verified package files. */
  readonly packageFolder: string;
  readonly manifest: ModelManifest;
  /** `cpu`, `webgpu:0`, `cuda:0`. */
  readonly device: string;
  readonly intraOpThreads: number;
  /** How far behind other threads of the machine this one stands, 0 to 19; absent: not at all. */
  readonly niceness?: number;
  /** Folder of this OS process for a file of weights that all its threads map; absent: none. */
  readonly weightsFolder?: string;
  /** What a thread that generates may hold; absent for the others. */
  readonly generation?: GenerationBounds;
}

export interface GenerationBounds {
  /** Sequences that share a step. */
  readonly maxRows: number;
  /** Host memory of saved contexts and of prefixes, each. */
  readonly maxSavedBytes: number;
  readonly maxPrefixBytes: number;
}

export interface ThreadRequest {
  /** Chosen by the main thread; unique in this host. */
  readonly requestId: number;
  readonly function: string;
  readonly format: BodyFormat;
  readonly body: Uint8Array;
  /** From the header Llmos-Key; a key in the body means the same. */
  readonly key?: string;
  /** From the header Llmos-Model, so that a body may leave its model out. */
  readonly model?: string;
  /** Whose task it is: the state of a stateful model is kept per tenant and key. */
  readonly tenant?: string;
  readonly stream: boolean;
  /** Tokens that an earlier attempt streamed already: go on after them. */
  readonly resumeTokens?: readonly number[];
  /** A task without a seed gets one derived from this, its tenant and id. */
  readonly seedText: string;
  /** Its urgency: who has a row when there are not enough. */
  readonly class: TaskClass;
  readonly priority: number;
  /** Of the message in LLMOS_TASKS: older ones go first among equals. */
  readonly sequence: number;
  /** Of its encoded result; absent: as many as a body may have. */
  readonly maxAnswerBytes?: number;
}

export type ToThread =
  | { readonly kind: 'load'; readonly options: LoadOptions }
  | { readonly kind: 'run'; readonly requests: readonly ThreadRequest[] }
  /** Stop this request at the next step; it is still answered, with CANCELLED. */
  | { readonly kind: 'cancel'; readonly requestId: number }
  /**
   * Give this generation back at the next token boundary: its context is saved under its
   * `seedText` while memory allows. Answered with `preempted`, or `answered` where it ended first.
   */
  | { readonly kind: 'preempt'; readonly requestId: number }
  /** Release the sessions and end the thread. */
  | { readonly kind: 'close' };

/** What an attempt read and made; tokens that it resumed after don't count. */
export interface TokenCounts {
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** Mean time of a token after the first, of each sample that has more than one. */
  readonly tokenMs: readonly number[];
}

export interface ThreadAnswer {
  readonly requestId: number;
  /** The encoded result, in the request's format: what will be committed. */
  readonly result: Uint8Array;
  /** Of a generation. */
  readonly tokens?: TokenCounts;
  /** All that it cost; absent: nothing. */
  readonly cost?: AttemptCost;
  /** Set where the result is an error. */
  readonly error?: {
    readonly code: ErrorCode;
    readonly retryable: boolean;
    readonly message: string;
  };
}

/** What a thread that generates holds and did; totals count since its start. */
export interface ContextCounts {
  /** Sequences with a row, without one, and saved ones (waiting here, or given back). */
  readonly running: number;
  readonly waiting: number;
  readonly saved: number;
  /** Sequences that may have a row at once. */
  readonly maxRows: number;
  readonly rowBytes: number;
  readonly savedBytes: number;
  readonly prefixBytes: number;
  readonly switches: number;
  readonly steps: number;
  readonly stepMs: number;
  /** Of `stepMs`, inside the model's runs. */
  readonly runMs: number;
  readonly decodedTokens: number;
  readonly prefilledTokens: number;
  /** Prompt tokens whose keys and values came from the prefix cache, or from a saved context. */
  readonly reusedTokens: number;
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
}

/** A body or result up to here is copied between the threads: to transfer its buffer costs more. */
export const MOST_COPIED_BYTES = 16 * 1024;

export type FromThread =
  | { readonly kind: 'loaded'; readonly provider: string; readonly loadMs: number }
  | {
      readonly kind: 'load-failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly retryable: boolean;
    }
  | { readonly kind: 'chunk'; readonly requestId: number; readonly chunk: GenerateChunk }
  /** A generation has its first token; one that streams says it by that chunk. */
  | { readonly kind: 'began'; readonly requestId: number }
  /** Answers that were there together: each message wakes the other thread. */
  | { readonly kind: 'answered'; readonly answers: readonly ThreadAnswer[] }
  | {
      readonly kind: 'preempted';
      readonly requestId: number;
      /** All that the generation has so far, resumed ones included. */
      readonly tokens: readonly number[];
      /** What a reader has seen of them so far. */
      readonly text: string;
      /** Of this attempt. */
      readonly cost?: AttemptCost;
    }
  /** What requests that are open have cost so far, now and then while the model runs. */
  | {
      readonly kind: 'costs';
      readonly costs: readonly (readonly [requestId: number, soFar: AttemptCost])[];
    }
  | { readonly kind: 'contexts'; readonly counts: ContextCounts }
  /** Nothing is open, with these answers. `heardRuns`: so many `run` came so far (T4). */
  | {
      readonly kind: 'idle';
      readonly heardRuns: number;
      readonly answers: readonly ThreadAnswer[];
    }
  | { readonly kind: 'closed' };

/** Given to the thread at its start; an entry that finds another role refuses to run. */
export interface ThreadRole {
  readonly role: 'llmos-actor-thread';
  readonly name: string;
}
