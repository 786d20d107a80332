/**
 * Every message between a process host's main thread and one of its actor threads.
 *
 * The main thread talks to the network and never parses foreign bytes; the actor thread decodes,
 * validates, tokenises, runs and encodes. A step is one `run`: the thread answers each of its
 * requests exactly once (`answered`), then `idle`, and takes the next step only then. Bodies are
 * transferred, not copied.
 */
import type { BodyFormat, ErrorCode, GenerateChunk, ModelManifest } from '@llmos/base';

export interface LoadOptions {
  /** Folder that holds the verified package files. */
  readonly packageFolder: string;
  readonly manifest: ModelManifest;
  /** `cpu`, `webgpu:0`, `cuda:0`. */
  readonly device: string;
  readonly intraOpThreads: number;
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
}

export type ToThread =
  | { readonly kind: 'load'; readonly options: LoadOptions }
  | { readonly kind: 'run'; readonly requests: readonly ThreadRequest[] }
  /** Stop this request at the next step; it is still answered, with CANCELLED. */
  | { readonly kind: 'cancel'; readonly requestId: number }
  /** Release the sessions and end the thread. */
  | { readonly kind: 'close' };

export interface ThreadAnswer {
  readonly requestId: number;
  /** The encoded result, in the request's format: what will be committed. */
  readonly result: Uint8Array;
  /** Of a generation: what this attempt read and made; tokens that it resumed after don't count. */
  readonly tokens?: { readonly promptTokens: number; readonly generatedTokens: number };
  /** Set where the result is an error. */
  readonly error?: {
    readonly code: ErrorCode;
    readonly retryable: boolean;
    readonly message: string;
  };
}

export type FromThread =
  | { readonly kind: 'loaded'; readonly provider: string; readonly loadMs: number }
  | { readonly kind: 'load-failed'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'chunk'; readonly requestId: number; readonly chunk: GenerateChunk }
  | { readonly kind: 'answered'; readonly answer: ThreadAnswer }
  | { readonly kind: 'idle' }
  | { readonly kind: 'closed' };

/** Given to the thread at its start; an entry that finds another role refuses to run. */
export interface ThreadRole {
  readonly role: 'llmos-actor-thread';
  readonly name: string;
}
