/**
 * Reads a folder of the Hugging Face layout as a model package. Links are refused, so that nothing
 * outside the folder becomes part of it; hidden files (`.git`, `.cache`) are left out, and so are
 * graphs other than the chosen one.
 */
import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { createReadStream, lstatSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelManifest, PackageFile } from '@llmos/base';
import { LlmosError, compareIds, quoteShort } from '@llmos/base';
import { externalPaths } from '../../models/external-files';
import { PACKAGE_LIMITS } from '../../limits';
import type { GraphFacts } from '../../models/graph-facts';
import { MODEL_LIMITS } from '../../models/limits';
import type { ManifestFields } from '../../models/manifest-fields';
import { isPackagePath, parseManifestFields } from '../../models/manifest-fields';
import { chooseGraph, inferManifest } from '../../models/model-manifest';
import { scanGraph } from '../onnxruntime/graph-scan';
import { readModelDocuments } from './model-documents-reader';

export interface PackageContents {
  readonly manifest: ModelManifest;
  readonly graph: GraphFacts;
  /** Sorted paths of the files that make the package. */
  readonly paths: readonly string[];
}

/** @param wantedGraph overrides the `graph` of `llmos.json`. */
export function readPackageFolder(folder: string, wantedGraph?: string): PackageContents {
  const paths = listFiles(folder);
  const fields = readManifestFields(folder, paths);
  const graphPath = chooseGraph(paths, wantedGraph ?? fields.graph);
  const graph = scanGraph(join(folder, graphPath), graphPath);
  const external = externalPaths(graphPath, graph.externalFiles);
  assertPresent(graphPath, external, paths);
  const documents = readModelDocuments(folder, paths);
  return {
    manifest: inferManifest({ fields, graphPath, graph, documents }),
    graph,
    paths: paths.filter((path) => !isOtherGraph(path, [graphPath, ...external])),
  };
}

/** Another variant of the model: a graph, or weights of one, that the chosen graph does not use. */
function isOtherGraph(path: string, used: readonly string[]): boolean {
  return /\.onnx([._]data(_\d+)?)?$/.test(path) && !used.includes(path);
}

function assertPresent(
  graphPath: string,
  needed: readonly string[],
  paths: readonly string[],
): void {
  const known = new Set(paths);
  const missing = needed.find((path) => !known.has(path));
  if (missing === undefined) return;
  throw invalid(`${graphPath} needs ${quoteShort(missing)}, which is absent`);
}

function listFiles(folder: string): readonly string[] {
  const paths: string[] = [];
  const visit = (relative: string, depth: number): void => {
    if (depth > MODEL_LIMITS.maxFolderDepth) {
      throw invalid(`${quoteShort(relative)} is deeper than ${MODEL_LIMITS.maxFolderDepth}`);
    }
    for (const entry of readFolder(join(folder, relative))) {
      if (entry.name.startsWith('.')) continue;
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
      if (!isPackagePath(path)) throw invalid(`${quoteShort(path)} is not a name for a file`);
      if (entry.isDirectory()) visit(path, depth + 1);
      else if (entry.isFile()) paths.push(path);
      else throw invalid(`${quoteShort(path)} is a link or no plain file`);
      if (paths.length > PACKAGE_LIMITS.maxFiles) {
        throw invalid(`the package has more than ${PACKAGE_LIMITS.maxFiles} files`);
      }
    }
  };
  visit('', 0);
  return paths.sort(compareIds);
}

function readFolder(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (thrown) {
    throw new LlmosError('NOT_FOUND', `the folder ${quoteShort(folder)} can't be read`, {
      cause: thrown,
    });
  }
}

function readManifestFields(folder: string, paths: readonly string[]): ManifestFields {
  if (!paths.includes('llmos.json')) return {};
  const path = join(folder, 'llmos.json');
  if (lstatSync(path).size > MODEL_LIMITS.maxManifestBytes) {
    throw invalid(`llmos.json is larger than ${MODEL_LIMITS.maxManifestBytes} bytes`);
  }
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch (thrown) {
    throw invalid(`llmos.json is not JSON: ${(thrown as Error).message}`);
  }
  return parseManifestFields(document);
}

/** Hashes the files one after the other; `onFile` hears of each before it is read. */
export async function hashFiles(
  folder: string,
  paths: readonly string[],
  onFile: (path: string) => void = () => undefined,
): Promise<readonly PackageFile[]> {
  const files: PackageFile[] = [];
  for (const path of paths) {
    onFile(path);
    files.push(await hashFile(folder, path));
  }
  return files;
}

async function hashFile(folder: string, path: string): Promise<PackageFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(join(folder, path)) as AsyncIterable<Uint8Array>) {
    hash.update(chunk);
    bytes += chunk.byteLength;
  }
  return { path, sha256: hash.digest('hex'), bytes };
}

/** sha256 over the sorted lines `path NUL sha256 LF`: the same files give the same digest. */
export function packageDigest(files: readonly PackageFile[]): string {
  const hash = createHash('sha256');
  const sorted = [...files].sort((a, b) => compareIds(a.path, b.path));
  for (const file of sorted) hash.update(`${file.path}\0${file.sha256}\n`);
  return hash.digest('hex');
}

function invalid(message: string): LlmosError {
  return new LlmosError('INVALID_ARGUMENT', message);
}
