/**
 * Checks a folder as a model package: reads what it is, loads it in a process of its own, runs one
 * step and measures. The package comes from strangers; whatever it does, it does to that process.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { ModelManifest, PackageFile } from '@llmos/base';
import { LlmosError, isErrorCode, isRecord } from '@llmos/base';
import type { TensorSpec } from './ports/model-runner';
import { onnxEnvironment } from './adapters/os/onnx-environment';

export interface PackageDescription {
  readonly manifest: ModelManifest;
  readonly files: readonly PackageFile[];
  /** sha256 over the sorted list of paths and file digests. */
  readonly digest: string;
  /** Memory of an OS process that holds the model, after one step. */
  readonly footprintBytes: number;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** `cpu`, `webgpu` or `cuda`. */
  readonly provider: string;
}

export interface PackageCheckOptions {
  readonly timeoutMs?: number;
  /** `cpu` unless said otherwise: what loads there loads anywhere. */
  readonly device?: string;
  /** Path of the graph inside the folder, where the folder holds several. */
  readonly graph?: string;
  readonly onProgress?: (step: string) => void;
  readonly signal?: AbortSignal;
}

const DEFAULT_TIMEOUT_MS = 10 * 60_000;
/** A description of the largest package allowed stays below. */
const MAX_ANSWER_CHARS = 16 * 1024 * 1024;
/** The same folder seen from the sources and from what is built of them. */
const ENTRY = join(__dirname, '..', 'dist', 'package-check-main.js');

/** Rejects with the LlmosError that says what is wrong with the package. */
export function checkPackage(
  folder: string,
  options: PackageCheckOptions = {},
): Promise<PackageDescription> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, device = 'cpu', graph, onProgress } = options;
  const request = JSON.stringify({ folder, device, ...(graph === undefined ? {} : { graph }) });
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [ENTRY, request], {
      stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
      env: onnxEnvironment(),
    });
    let output = '';
    let isOver = false;
    const end = (settle: () => void): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
      child.kill('SIGKILL');
      settle();
    };
    const abort = (): void =>
      end(() => reject(new LlmosError('CANCELLED', 'the check was cancelled')));
    const timer = setTimeout(() => {
      const message = `the package was not checked within ${timeoutMs} ms`;
      end(() => reject(new LlmosError('DEADLINE_EXCEEDED', message)));
    }, timeoutMs);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-MAX_ANSWER_CHARS);
    });
    child.on('message', (message) => {
      if (isRecord(message) && typeof message['step'] === 'string') onProgress?.(message['step']);
    });
    child.on('error', (cause) =>
      end(() => reject(new LlmosError('INTERNAL', 'the check did not start', { cause }))),
    );
    child.on('close', (code, signal) => {
      end(() => settleBy(output, signal ?? `code ${code ?? 0}`, { resolve, reject }));
    });
    options.signal?.addEventListener('abort', abort, { once: true });
    if (options.signal?.aborted === true) abort();
  });
}

interface Settle {
  readonly resolve: (description: PackageDescription) => void;
  readonly reject: (error: LlmosError) => void;
}

function settleBy(output: string, ending: string, settle: Settle): void {
  const answer = parseAnswer(output);
  if (answer === undefined) {
    const message = `the process that loaded the model ended with ${ending} and no answer`;
    settle.reject(new LlmosError('FAILED_PRECONDITION', message));
  } else if (answer instanceof LlmosError) {
    settle.reject(answer);
  } else {
    settle.resolve(answer);
  }
}

/** The last line counts: drivers may write before it. */
function parseAnswer(output: string): PackageDescription | LlmosError | undefined {
  let value: unknown;
  try {
    value = JSON.parse(output.trim().split('\n').at(-1) ?? '');
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  if (value['ok'] === true) {
    const { ok: _, ...description } = value;
    return description as unknown as PackageDescription;
  }
  const error = value['error'];
  if (!isRecord(error) || !isErrorCode(error['code'])) return undefined;
  return new LlmosError(error['code'], String(error['message']));
}
