/**
 * Writes a quantised variant of a model package: another graph beside the original, or a package
 * of its own. Nothing is written where its output is too far from the original's.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { ModelManifest } from '@llmos/base';
import { LlmosError } from '@llmos/base';
import { QUANTIZE_LIMITS } from '../limits';
import type { ProgramProgress } from './program-answer';
import { askProgram } from './program-answer';

export interface QuantizeRequest {
  readonly folder: string;
  /** Path of the graph inside the folder, where the folder holds several. */
  readonly graph?: string;
  readonly bits: 4 | 8;
  /** Weights that share a scale: 16, 32, 64, 128 or 256. */
  readonly blockSize: number;
  /** Whether zero is the middle of each block's range; otherwise blocks have zero points. */
  readonly isSymmetric: boolean;
  /** Appended to the name of the graph, before `.onnx`. */
  readonly suffix: string;
  /** Folder for what is written. */
  readonly draft: string;
  readonly errorLimit: number;
}

/** Milliseconds of one run with this many rows: median of several that took turns. */
export interface SpeedFigure {
  readonly rows: number;
  readonly beforeMs: number;
  readonly afterMs: number;
}

/** What the program answers that quantises. */
export interface QuantizedGraph {
  readonly manifest: ModelManifest;
  /** Of the package, the original graph and its weights among them. */
  readonly paths: readonly string[];
  /** Files of weights of the original graph, as paths in the package. */
  readonly weightPaths: readonly string[];
  /** Matrices replaced, their weights, and products that stay as they were. */
  readonly matrices: number;
  readonly weights: number;
  readonly skipped: number;
  /** Bytes of the graph and its files of weights. */
  readonly beforeBytes: number;
  readonly afterBytes: number;
  /** Length of the difference of the outputs over that of the original's, on sample inputs. */
  readonly error: number;
  readonly speed: readonly SpeedFigure[];
}

export interface QuantizeReport extends Omit<QuantizedGraph, 'manifest' | 'paths' | 'weightPaths'> {
  readonly bits: 4 | 8;
  readonly blockSize: number;
  readonly errorLimit: number;
  /** The package that holds the new graph, and its path there. */
  readonly folder: string;
  readonly graph: string;
}

export interface QuantizePackageOptions {
  readonly bits: 4 | 8;
  readonly blockSize?: number;
  readonly isSymmetric?: boolean;
  readonly graph?: string;
  /** Folder of a new package; default: a variant beside the original graph. */
  readonly out?: string;
  /** Default: `QUANTIZE_LIMITS.error8` or `error4`. */
  readonly errorLimit?: number;
  readonly timeoutMs?: number;
  readonly onProgress?: (progress: ProgramProgress) => void;
  readonly signal?: AbortSignal;
}

/** The same folder seen from the sources and from what is built of them. */
const ENTRY = join(__dirname, '..', '..', 'dist', 'package-programs', 'package-quantize-main.js');

/**
 * Rejects with INVALID_ARGUMENT and NOT_FOUND for what is wrong with the package, ALREADY_EXISTS
 * where the variant is there, FAILED_PRECONDITION where it would be too far from the original.
 */
export async function quantizePackage(
  given: string,
  options: QuantizePackageOptions,
): Promise<QuantizeReport> {
  const folder = resolve(given);
  const { bits, blockSize = QUANTIZE_LIMITS.blockSize, isSymmetric = false, graph } = options;
  const errorLimit =
    options.errorLimit ?? (bits === 8 ? QUANTIZE_LIMITS.error8 : QUANTIZE_LIMITS.error4);
  const target = options.out === undefined ? folder : resolve(options.out);
  const suffix = options.out === undefined ? `_q${bits}` : '';
  if (options.out !== undefined) assertNew(target);
  mkdirSync(target, { recursive: true });
  // Hidden, so that it is no part of a package; in the target, so that a rename is enough.
  const draft = mkdtempSync(join(target, '.llmos-draft-'));
  try {
    const request: QuantizeRequest = {
      ...{ folder, bits, blockSize, isSymmetric, suffix, draft, errorLimit },
      ...(graph === undefined ? {} : { graph }),
    };
    const made = await ask(request, options);
    const path = variantPath(made.manifest.graph, suffix);
    place({ draft, target, path });
    if (target !== folder) copyRest(made, folder, target);
    const { manifest: _, paths: __, weightPaths: ___, ...figures } = made;
    return { ...figures, bits, blockSize, errorLimit, folder: target, graph: path };
  } finally {
    rmSync(draft, { recursive: true, force: true });
    if (isEmptyFolder(target)) rmSync(target, { recursive: true });
  }
}

function ask(request: QuantizeRequest, options: QuantizePackageOptions): Promise<QuantizedGraph> {
  const { onProgress, signal, timeoutMs = QUANTIZE_LIMITS.timeoutMs } = options;
  return askProgram<QuantizedGraph>({
    entry: ENTRY,
    request,
    timeoutMs,
    late: 'the package was not quantised',
    process: 'the process that quantised the model',
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(signal === undefined ? {} : { signal }),
  });
}

function assertNew(folder: string): void {
  if (!existsSync(folder) || isEmptyFolder(folder)) return;
  throw new LlmosError('ALREADY_EXISTS', `${folder} is there and not empty`);
}

function isEmptyFolder(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).length === 0;
}

/** `onnx/model.onnx` → `onnx/model_q4.onnx`. */
export function variantPath(graph: string, suffix: string): string {
  return `${graph.replace(/\.onnx$/, '')}${suffix}.onnx`;
}

interface Placing {
  readonly draft: string;
  readonly target: string;
  readonly path: string;
}

function place({ draft, target, path }: Placing): void {
  const final = join(target, path);
  if (existsSync(final)) {
    throw new LlmosError('ALREADY_EXISTS', `${final} is there; remove it, or give --out`);
  }
  mkdirSync(dirname(final), { recursive: true });
  const names = readdirSync(draft).filter((name) => name.startsWith(basename(path)));
  // The graph comes last: it is what makes the variant visible.
  for (const name of names.sort().reverse()) {
    renameSync(join(draft, name), join(dirname(final), name));
  }
}

/** Everything of the package but its graph. */
function copyRest(made: QuantizedGraph, folder: string, target: string): void {
  const left = new Set([made.manifest.graph, ...made.weightPaths]);
  for (const path of made.paths.filter((candidate) => !left.has(candidate))) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    copyFileSync(join(folder, path), join(target, path));
  }
}
