/** How many threads a process host runs, and how much it takes at once. Pure. */
import type { ModelManifest } from '@llmos/base';
import { assertNever } from '@llmos/base';
import { BATCH_LIMITS, HOST_LIMITS } from '../limits';
import type { GenerationBounds } from '../actors/thread-protocol';
import { profileOf } from '../models/model-tasks';
import type { BatchBounds } from './batch-policy';

export interface HostShape {
  readonly threads: number;
  /** Whether one more thread is kept for what is quick. */
  readonly hasQuickThread: boolean;
  readonly intraOpThreads: number;
  /** Attempts that the kernel may have here at once. */
  readonly permits: number;
  readonly batch: BatchBounds;
  /** Set where the one thread runs generations side by side. */
  readonly generation?: GenerationBounds;
  /** Without a sign of life in one step a thread counts as hung. */
  readonly stepMs: number;
}

export interface HostRoom {
  /** `cpu`, `webgpu:0`, `cuda:0`. */
  readonly device: string;
  readonly cores: number;
  /** Of the graph and its weights. */
  readonly modelBytes: number;
}

export function shapeHost(manifest: ModelManifest, room: HostRoom): HostShape {
  const { device, cores } = room;
  const threads = threadsOf(manifest, device, cores);
  const intraOpThreads = Math.max(
    1,
    Math.min(Math.floor(cores / threads), usefulCores(manifest, room)),
  );
  const base = { threads, intraOpThreads, hasQuickThread: hasQuickThread(manifest, room) };
  const { engine } = profileOf(manifest.task);
  switch (engine) {
    case 'decoder':
      return {
        ...base,
        permits: HOST_LIMITS.generateRows + HOST_LIMITS.spareGeneratePermits,
        batch: BATCH_LIMITS.generate,
        generation: {
          maxRows: HOST_LIMITS.generateRows,
          maxSavedBytes: HOST_LIMITS.savedContextBytes,
          maxPrefixBytes: HOST_LIMITS.prefixBytes,
        },
        stepMs: HOST_LIMITS.generateStepMs,
      };
    case 'encoder':
      return {
        ...base,
        permits: HOST_LIMITS.batchPermits,
        batch: device === 'cpu' ? BATCH_LIMITS.batch : BATCH_LIMITS.deviceBatch,
        stepMs: HOST_LIMITS.batchStepMs,
      };
    case 'tensor':
      return {
        ...base,
        permits: HOST_LIMITS.tensorPermits,
        batch: BATCH_LIMITS.tensor,
        stepMs: HOST_LIMITS.batchStepMs,
      };
    default:
      return assertNever(engine);
  }
}

/** A step of a small decoder is over before a second core has begun to help. */
function usefulCores(manifest: ModelManifest, room: HostRoom): number {
  if (profileOf(manifest.task).engine !== 'decoder' || room.device !== 'cpu') return Infinity;
  return Math.ceil(room.modelBytes / HOST_LIMITS.generateCoreBytes);
}

/**
 * Beside the threads that run everything, so that these may run bulk without a thought. Not where
 * a manifest says how many threads there are, nor where a second thread is out of the question.
 */
function hasQuickThread(manifest: ModelManifest, { device, modelBytes }: HostRoom): boolean {
  const isOneThread = keepsRows(manifest) || (manifest.state?.length ?? 0) > 0;
  if (device !== 'cpu' || isOneThread || manifest.threads !== undefined) return false;
  return modelBytes <= HOST_LIMITS.quickModelBytes;
}

function threadsOf(manifest: ModelManifest, device: string, cores: number): number {
  // A second thread that uses WebGPU crashes the process; CUDA gains nothing by one.
  if (device !== 'cpu') return 1;
  // State is kept per thread, and the key that names it may stand in a body, unread until there.
  if ((manifest.state?.length ?? 0) > 0) return 1;
  // What keeps rows shares each run of the model: a second thread would only split it.
  if (keepsRows(manifest)) return 1;
  const wanted = manifest.threads ?? Math.min(HOST_LIMITS.defaultBatchThreads, cores);
  return Math.max(1, Math.min(wanted, HOST_LIMITS.maxThreads));
}

function keepsRows(manifest: ModelManifest): boolean {
  return profileOf(manifest.task).traits.keepsRows;
}
