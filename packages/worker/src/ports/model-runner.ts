/**
 * Runs one loaded graph. The engines see tensors through this port only, so that they can be tested
 * on a fake and moved to another runtime.
 *
 * One run at a time. Inputs stay the caller's; outputs are new tensors unless the request names a
 * host tensor, which is then filled in place. A run that fails rejects with an LlmosError and
 * leaves the runner usable.
 */
import type { TensorArray, TensorType } from '@llmos/base';

export type TensorElements = TensorArray | readonly string[];

/** What a graph says of an input or output. */
export interface TensorSpec {
  readonly name: string;
  /** `unsupported`: not a tensor, or of a type that has no wire form. */
  readonly type: TensorType | 'unsupported';
  /** A number is static, a text the name of a dynamic dimension; `''` has none. */
  readonly dims: readonly (number | string)[];
  /** Set where a run may leave the input out. */
  readonly isOptional?: true;
}

/** A tensor in host memory. float16 elements are bit patterns, bool elements 0 or 1. */
export interface HostTensor {
  readonly kind: 'host';
  readonly type: TensorType;
  readonly dims: readonly number[];
  readonly elements: TensorElements;
}

/** A tensor that lives on the device; whoever received it disposes of it. */
export interface DeviceTensor {
  readonly kind: 'device';
  readonly type: TensorType;
  readonly dims: readonly number[];
  dispose(): void;
}

export type RunnerTensor = HostTensor | DeviceTensor;

export interface RunRequest {
  readonly inputs: ReadonlyMap<string, RunnerTensor>;
  /** Output name → a host tensor to fill, or `new`. */
  readonly outputs: ReadonlyMap<string, HostTensor | 'new'>;
}

export interface ModelRunner {
  /** `cpu`, `webgpu` or `cuda`. */
  readonly provider: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  run(request: RunRequest): Promise<ReadonlyMap<string, RunnerTensor>>;
  /** Releases the session; may be called twice. */
  close(): Promise<void>;
}
