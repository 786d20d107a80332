/** One sequence of the generate engine: a generation, and the row that it has or waits for. */
import type { Urgency } from '@llmos/base';
import type { DecoderRows, KvRow } from '../rows/decoder-rows';
import type { EngineRequest } from '../engine';
import type { Generation } from './generation';
import type { Drafting } from './drafting';
import type { Fed } from './step-plan';
import { TokenPace } from './token-pace';

/**
 * Which tokens may be fed together, so that a generation gives the same tokens however it was
 * interrupted. `freely`: any. `alike`: how many are fed changes how each is rounded, so a prompt is
 * fed in parts that end at multiples of `alikePartTokens`, and an answer token by token, each time
 * that they are fed. `whole`: as `alike`, but a prompt is one part.
 */
export type Feeding = 'freely' | 'alike' | 'whole';

export interface SequenceParts {
  readonly request: EngineRequest;
  readonly generation: Generation;
  readonly rows: Pick<DecoderRows, 'takesParts'>;
  readonly feeding: Feeding;
  readonly drafting: Drafting;
}

export class Sequence implements Fed {
  row: KvRow | undefined;
  /** Of its prompt, what others had read before; undefined until it had a row. */
  cachedTokens: number | undefined;
  /** Waits until the prompt that it shares is read. */
  isHeldBack = false;
  readonly drafting: Drafting;
  readonly pace = new TokenPace();

  constructor(private readonly parts: SequenceParts) {
    this.drafting = parts.drafting;
  }

  get request(): EngineRequest {
    return this.parts.request;
  }

  get urgency(): Urgency {
    return this.parts.request;
  }

  get generation(): Generation {
    return this.parts.generation;
  }

  /** Under which its context is saved. */
  get key(): string {
    return contextKey(this.request, this.generation.sampleIndex);
  }

  get history(): readonly number[] {
    return this.generation.history;
  }

  get heldTokens(): number {
    return this.row?.tokenCount ?? 0;
  }

  get pendingTokens(): number {
    return this.history.length - this.heldTokens;
  }

  get partTokens(): number {
    const { generation, feeding, rows } = this.parts;
    if (feeding !== 'freely') return Math.max(1, generation.promptCount - this.heldTokens);
    return rows.takesParts || this.heldTokens === 0 ? this.pendingTokens : 1;
  }

  /** The next tokens to feed. */
  next(tokenCount: number): readonly number[] {
    const from = this.heldTokens;
    return this.history.slice(from, from + tokenCount);
  }
}

/** A task that returns finds what it left by its seed's text, which names the task. */
export function contextKey(request: EngineRequest, sampleIndex: number): string {
  return sampleIndex === 0 ? request.seedText : `${request.seedText}#${sampleIndex}`;
}

/** Of the prompt that the samples of a request share. */
export function promptKey(request: EngineRequest): string {
  return `${request.seedText}#prompt`;
}
