/** Files of weights that a graph reads from beside itself. */
import { LlmosError, quoteShort } from '@llmos/base';
import { isPackagePath } from './manifest-fields';

/**
 * Their paths in the package, in the order given. Throws INVALID_ARGUMENT where one would lie
 * outside: the graph comes from strangers, and the runtime would read whatever it names.
 */
export function externalPaths(
  graphPath: string,
  locations: readonly string[],
): readonly string[] {
  const folder = graphPath.slice(0, graphPath.lastIndexOf('/') + 1);
  return locations.map((location) => {
    const plain = location.replace(/^(\.\/)+/, '');
    if (isPackagePath(plain)) return `${folder}${plain}`;
    throw new LlmosError(
      'INVALID_ARGUMENT',
      `${graphPath} reads ${quoteShort(location)}, which is outside the package`,
    );
  });
}
