/** Paths inside a model package: relative, with `/`, and never out of the package. */
import type { PackageFile } from '@llmos/base';
import { LlmosError, quoteShort } from '@llmos/base';
import { PACKAGE_LIMITS } from '../limits';

/** Undefined where the path is fine, else what is wrong with it. */
export function checkPackagePath(path: string): string | undefined {
  if (path === '' || path.length > PACKAGE_LIMITS.maxPathChars) {
    return `must have 1 to ${PACKAGE_LIMITS.maxPathChars} characters`;
  }
  if (/[\u0000-\u001f\u007f\\:]/.test(path)) return 'has a backslash, colon or control character';
  if (path.startsWith('/')) return 'is absolute';
  for (const part of path.split('/')) {
    if (part === '' || part === '.' || part === '..') return `has the part ${quoteShort(part)}`;
    if (part.length > 255) return 'has a part of more than 255 characters';
  }
  return undefined;
}

const DIGEST = /^[0-9a-f]{64}$/;

export function isDigest(text: unknown): text is string {
  return typeof text === 'string' && DIGEST.test(text);
}

/** Throws INVALID_ARGUMENT that names the offending path. */
export function assertPackageFiles(files: readonly PackageFile[]): void {
  if (files.length === 0 || files.length > PACKAGE_LIMITS.maxFiles) {
    throw invalid(`a package has 1 to ${PACKAGE_LIMITS.maxFiles} files, not ${files.length}`);
  }
  const folders = new Set<string>();
  const paths = new Set<string>();
  for (const file of files) {
    const problem = checkPackagePath(file.path);
    if (problem !== undefined) throw invalid(`path ${quoteShort(file.path)} ${problem}`);
    if (!isDigest(file.sha256)) throw invalid(`${file.path}: sha256 ${quoteShort(file.sha256)}`);
    if (!Number.isSafeInteger(file.bytes) || file.bytes < 0) {
      throw invalid(`${file.path}: ${String(file.bytes)} bytes`);
    }
    if (file.bytes > PACKAGE_LIMITS.maxFileBytes) throw invalid(`${file.path} is too large`);
    // Where letters' cases are one, two names would be one file.
    const key = file.path.toLowerCase();
    if (paths.has(key)) throw invalid(`path ${quoteShort(file.path)} occurs twice`);
    paths.add(key);
    foldersOf(key).forEach((folder) => folders.add(folder));
  }
  for (const path of paths) {
    if (folders.has(path)) throw invalid(`path ${quoteShort(path)} is a file and a folder`);
  }
}

function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_part, index) => parts.slice(0, index + 1).join('/'));
}

function invalid(message: string): LlmosError {
  return new LlmosError('INVALID_ARGUMENT', `model package: ${message}`);
}
