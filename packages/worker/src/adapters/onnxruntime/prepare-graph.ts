/**
 * What a session is made from: the graph's file as it is, or an edited message whose large weights
 * stay in files that the runtime maps. The runtime never holds weights twice, as it does while it
 * parses them out of a message.
 */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { OnnxModel } from '@llmos/onnx';
import {
  absorbWeights,
  encodeModel,
  placeWeights,
  readModel,
  selectWantedPositions,
} from '@llmos/onnx';
import { MODEL_LIMITS } from '../../models/limits';

export interface GraphSource {
  readonly graphFile: string | Uint8Array;
  readonly device: string;
  /** Name of the input to add that chooses whose logits are computed, where the graph allows it. */
  readonly wantedPositions?: string;
  /**
   * For a file of large weights, which the first session of an OS process writes and all map; its
   * name may be removed once they are open. Absent: large graphs are loaded as they are.
   */
  readonly weightsFolder?: string;
  /**
   * Weights are used as they lie in the file, by all sessions: less memory, slower small batches.
   * Not where they are blocks of 8 or 4 bits, which would be unpacked in every run.
   */
  readonly sharesWeights?: boolean;
}

export interface PreparedGraph {
  readonly graph: string | Uint8Array;
  /** Settings of the session. */
  readonly settings: Readonly<Record<string, string>>;
  /** `wantedPositions`, where the graph got that input. */
  readonly addedInput: string | undefined;
}

type Handover = Omit<PreparedGraph, 'addedInput'>;

const WEIGHTS_FILE = 'weights';
const FOLDER_SETTING = 'session.model_external_initializers_file_folder_path';
/** Prepacked weights are a copy for each session. */
const SHARED_SETTINGS = { 'session.disable_prepacking': '1' };

export function prepareGraph(source: GraphSource): PreparedGraph {
  const { graphFile, wantedPositions } = source;
  const plain = plainGraph(graphFile);
  if (typeof graphFile !== 'string') return plain;
  const isMappable = source.device === 'cpu' && source.weightsFolder !== undefined;
  if (wantedPositions === undefined && !isMappable) return plain;
  try {
    const model = readModel(graphFile);
    const isEdited = wantedPositions !== undefined && selectWantedPositions(model, wantedPositions);
    const addedInput = isEdited ? wantedPositions : undefined;
    const handover = handOver(model, { ...source, graphFile }, isEdited);
    return handover === undefined ? plain : { ...handover, addedInput };
  } catch {
    // The runtime reads what it can, and says best what is wrong with a graph.
    return plain;
  }
}

/** The graph as it is given. */
export function plainGraph(graph: string | Uint8Array): PreparedGraph {
  return { graph, settings: {}, addedInput: undefined };
}

/** Undefined where the file is to be loaded as it is. */
function handOver(
  model: OnnxModel,
  source: GraphSource & { readonly graphFile: string },
  isEdited: boolean,
): Handover | undefined {
  const { graphFile } = source;
  const isWanted = source.sharesWeights === true && source.device === 'cpu';
  const isShared = isWanted && !hasPackedWeights(model);
  const settings = isShared ? SHARED_SETTINGS : {};
  const insideBytes = bytesInside(model, graphFile);
  const { weightsFolder } = source;
  const isLarge = insideBytes > MODEL_LIMITS.maxInMemoryBytes;
  if (weightsFolder !== undefined && (isLarge || (isShared && insideBytes > 0))) {
    // Where they lie in the message they are not aligned to their elements, as mapped ones must be.
    const placed = placeWeights(model, join(weightsFolder, WEIGHTS_FILE));
    return prepared(placed, weightsFolder, settings);
  }
  if (isLarge || !isEdited) return undefined;
  return prepared(absorbWeights(model, graphFile), dirname(graphFile), settings);
}

function prepared(
  model: OnnxModel,
  folder: string,
  settings: Readonly<Record<string, string>>,
): Handover {
  const hasFiles = model.weights.size > 0 && existsSync(folder);
  return {
    graph: encodeModel(model, folder),
    settings: hasFiles ? { ...settings, [FOLDER_SETTING]: resolve(folder) } : settings,
  };
}

/** Measured without prepacking: a token of a decoder of 104 M weights takes 195 ms, not 10. */
function hasPackedWeights(model: OnnxModel): boolean {
  return model.proto.graph.node.some(({ opType }) => opType === 'MatMulNBits');
}

/** Bytes of the large weights that are in the graph's own file. */
function bytesInside(model: OnnxModel, graphFile: string): number {
  const file = resolve(graphFile);
  let sum = 0;
  for (const range of model.weights.values()) if (range.file === file) sum += range.byteLength;
  return sum;
}
