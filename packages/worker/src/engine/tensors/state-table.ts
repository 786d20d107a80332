/**
 * The states of a stateful model by key, bounded by count and bytes; the least recently used leave
 * first. Its only writer is the tensor engine.
 */
import type { HostTensor, TensorElements } from '../../ports/model-runner';

export type ModelState = ReadonlyMap<string, HostTensor>;

export interface StateTableLimits {
  readonly maxKeys: number;
  readonly maxBytes: number;
}

export class StateTable {
  /** A Map keeps the order of insertion, so the first key is the least recently used. */
  private readonly states = new Map<string, ModelState>();
  private usedBytes = 0;

  constructor(private readonly limits: StateTableLimits) {}

  get size(): number {
    return this.states.size;
  }

  get(key: string): ModelState | undefined {
    const state = this.states.get(key);
    if (state !== undefined) {
      this.states.delete(key);
      this.states.set(key, state);
    }
    return state;
  }

  set(key: string, state: ModelState): void {
    this.remove(key);
    this.states.set(key, state);
    this.usedBytes += stateBytes(state);
    for (const oldest of this.states.keys()) {
      const isWithin =
        this.states.size <= this.limits.maxKeys && this.usedBytes <= this.limits.maxBytes;
      if (isWithin || oldest === key) break;
      this.remove(oldest);
    }
  }

  private remove(key: string): void {
    const state = this.states.get(key);
    if (state === undefined) return;
    this.usedBytes -= stateBytes(state);
    this.states.delete(key);
  }
}

/** In memory. */
export function stateBytes(state: ModelState): number {
  let bytes = 0;
  for (const tensor of state.values()) bytes += elementBytes(tensor.elements);
  return bytes;
}

function elementBytes(elements: TensorElements): number {
  if ('byteLength' in elements) return elements.byteLength;
  return elements.reduce((sum, text) => sum + 2 * text.length + 16, 0);
}
