/** Installs what the generation figures are compared with into the cache, each once. */
import { join } from 'node:path';
import { installLibrary } from './install-library';

/** Pinned, and not among the dependencies. */
const VERSION = '3.22.1';

/** The binaries for the CPU alone; others are larger than all the rest. */
const BINARIES: Readonly<Record<string, string>> = {
  'linux-x64': '@node-llama-cpp/linux-x64',
  'linux-arm64': '@node-llama-cpp/linux-arm64',
  'darwin-arm64': '@node-llama-cpp/mac-arm64-metal',
  'darwin-x64': '@node-llama-cpp/mac-x64',
  'win32-x64': '@node-llama-cpp/win-x64',
  'win32-arm64': '@node-llama-cpp/win-arm64',
};

/**
 * The folder whose node_modules hold node-llama-cpp and its prebuilt binary. They lie in two
 * folders, one within the other: npm leaves out an optional dependency wherever it is asked for.
 */
export async function installLlama(
  cache: string,
): Promise<{ readonly folder: string } | { readonly refusal: string }> {
  const binary = BINARIES[`${process.platform}-${process.arch}`];
  if (binary === undefined) return { refusal: `no binary for ${process.platform}-${process.arch}` };
  const outer = join(cache, 'llama');
  const folder = join(outer, 'library');
  try {
    await installLibrary(outer, { [binary]: VERSION });
    await installLibrary(folder, { 'node-llama-cpp': VERSION }, ['--omit=optional']);
    return { folder };
  } catch (error) {
    return { refusal: error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'unknown' };
  }
}
