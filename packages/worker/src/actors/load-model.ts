/** Opens a model in its actor thread: its graph, its sessions, its engines. */
import { LlmosError } from '@llmos/base';
import { openOnnxRunner } from '../adapters/onnxruntime/onnx-runner';
import { openRowCopier } from '../adapters/onnxruntime/onnx-row-copier';
import { scanGraph } from '../adapters/onnxruntime/graph-scan';
import { readPackageDocuments } from '../adapters/package-files/model-documents-reader';
import { openTokenizer } from '../adapters/tokenizers/hugging-face-tokenizer';
import { openChatTemplate } from '../adapters/tokenizers/jinja-chat-template';
import type { CostMeter } from '../engine/cost-meter';
import type { ModelEngines } from '../engine/model-engines';
import { openEngines } from '../engine/model-engines';
import { externalPaths } from '../models/external-files';
import { WANTED_POSITIONS } from '../models/graph-facts';
import { isPackagePath } from '../models/manifest-fields';
import { profileOf, readsTexts } from '../models/model-tasks';
import type { ModelRunner } from '../ports/model-runner';
import type { RowCopier } from '../ports/row-copier';
import type { LoadOptions } from './thread-protocol';

export interface LoadedModel {
  readonly runner: ModelRunner;
  readonly engines: ModelEngines;
  /** Where generations keep their keys and values on a device. */
  readonly copier: RowCopier | undefined;
}

/** Throws the typed error of a model that can't be loaded. */
export async function loadModel(options: LoadOptions, costs: CostMeter): Promise<LoadedModel> {
  const { manifest, packageFolder } = options;
  if (!isPackagePath(manifest.graph)) {
    throw new LlmosError('INVALID_ARGUMENT', 'the manifest names a graph outside the package');
  }
  const graphFile = `${packageFolder}/${manifest.graph}`;
  const graph = scanGraph(graphFile, manifest.graph);
  externalPaths(manifest.graph, graph.externalFiles);
  const documents = readPackageDocuments(packageFolder);
  const { engine, traits } = profileOf(manifest.task);
  const isDecoder = engine === 'decoder';
  const chatTemplate = isDecoder ? openChatTemplate(documents) : undefined;
  const presents = graph.outputs.map((spec) => spec.name).filter((name) => /^present/.test(name));
  const runner = await openOnnxRunner({
    graphFile,
    device: options.device,
    intraOpThreads: options.intraOpThreads,
    ...(options.weightsFolder === undefined ? {} : { weightsFolder: options.weightsFolder }),
    ...(manifest.sharedWeights === true ? { sharesWeights: true } : {}),
    ...(engine === 'tensor' ? { returnsMemory: true } : {}),
    hiddenFolders: hiddenFoldersOf(options),
    ...(isDecoder ? { wantedPositions: WANTED_POSITIONS } : {}),
    // A round trip of the keys and values through the host would cost more than the step.
    ...(options.device.startsWith('webgpu') && traits.keepsRows ? { deviceOutputs: presents } : {}),
  });
  const keepsDeviceRows = traits.keepsRows && options.device !== 'cpu';
  const copier = keepsDeviceRows ? openRowCopier(options.device) : undefined;
  try {
    const engines = await openEngines({
      manifest,
      documents,
      graph,
      runner,
      costs,
      nowMs: () => performance.now(),
      ...(options.generation === undefined ? {} : { generation: options.generation }),
      ...(readsTexts(manifest.task) ? { tokenizer: openTokenizer(documents) } : {}),
      ...(chatTemplate === undefined ? {} : { chatTemplate }),
      ...(copier === undefined ? {} : { copier }),
    });
    return { runner, engines, copier };
  } catch (thrown) {
    await runner.close();
    throw thrown;
  }
}

/** Who uses a model is not told where it lies. */
export function hiddenFoldersOf({ packageFolder, weightsFolder }: LoadOptions): readonly string[] {
  return weightsFolder === undefined ? [packageFolder] : [packageFolder, weightsFolder];
}
