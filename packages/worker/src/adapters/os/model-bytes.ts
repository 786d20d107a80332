/** How large a model is on disk: its graph, and the weights that lie beside it. */
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Of the graph, and of the files in its folder that are no graphs; 0 where they can't be read. */
export function bytesOfModel(packageFolder: string, graph: string): number {
  const file = join(packageFolder, graph);
  try {
    const beside = readdirSync(dirname(file)).filter((name) => !name.endsWith('.onnx'));
    const weights = beside.map((name) => join(dirname(file), name));
    return [file, ...weights].reduce((sum, path) => sum + statSync(path).size, 0);
  } catch {
    return 0;
  }
}
