/** The engine *generate* of a loaded model, and the rows that fit its graph and device. */
import type { ModelManifest } from '@llmos/base';
import { LlmosError } from '@llmos/base';
import type { GenerationBounds } from '../../actors/thread-protocol';
import type { GraphFacts } from '../../models/graph-facts';
import { hasDependentRows, sharesKvBuffer } from '../../models/graph-facts';
import type { GenerationSettings } from '../../models/model-settings';
import type { ChatTemplate } from '../../ports/chat-template';
import type { CostMeter } from '../cost-meter';
import type { ModelRunner } from '../../ports/model-runner';
import type { RowCopier } from '../../ports/row-copier';
import type { TextTokenizer } from '../../ports/text-tokenizer';
import { DecoderGraph } from '../rows/decoder-graph';
import type { DecoderRows } from '../rows/decoder-rows';
import { DeviceRows } from '../rows/device-rows';
import { GenerateEngine } from './generate-engine';
import { roundsLoneRow } from '../rows/lone-row';
import { SeparateRows } from '../rows/separate-rows';
import type { Feeding } from './sequence';
import type { SharedRowsOptions } from '../rows/shared-rows';
import { SharedRows } from '../rows/shared-rows';
import { TimedRunner } from './timed-runner';

export interface GenerateParts {
  readonly manifest: ModelManifest;
  readonly graph: GraphFacts;
  readonly runner: ModelRunner;
  readonly tokenizer: TextTokenizer;
  readonly chatTemplate: ChatTemplate | undefined;
  readonly settings: GenerationSettings;
  readonly maxTokens: number;
  readonly bounds: GenerationBounds;
  readonly costs: CostMeter;
  readonly nowMs: () => number;
  /** On a device with memory of its own. */
  readonly copier?: RowCopier;
}

/** Throws FAILED_PRECONDITION where the graph is not a decoder. */
export async function openGenerateEngine(parts: GenerateParts): Promise<GenerateEngine> {
  const { bounds, chatTemplate, graph, maxTokens, settings, tokenizer } = parts;
  const runner = new TimedRunner(parts.runner, parts.nowMs);
  const decoder = new DecoderGraph(runner, settings);
  return new GenerateEngine({
    ...{ tokenizer, chatTemplate, settings, maxTokens, ...bounds },
    rows: await openRows(parts, decoder),
    sharesPrefixes: parts.manifest.sharedPrefixes === true,
    feeding: feedingOf(graph, decoder),
    costs: parts.costs,
    runMs: () => runner.runMs,
  });
}

/**
 * The runtime rounds attention of one token differently from that of several. In float32 that is
 * the last of seven digits; numbers of less precision, or activations that are rounded to them,
 * make it visible.
 */
function feedingOf(graph: GraphFacts, decoder: DecoderGraph): Feeding {
  const isHalf = decoder.pairs.some((pair) => pair.type === 'float16');
  if (hasDependentRows(graph) || (!sharesKvBuffer(graph) && isHalf)) return 'whole';
  const isCoarse = graph.weightBits < 32 || graph.operators.has('MatMulNBits');
  return isHalf || isCoarse ? 'alike' : 'freely';
}

async function openRows(parts: GenerateParts, decoder: DecoderGraph): Promise<DecoderRows> {
  const { bounds, copier, graph, maxTokens } = parts;
  const { maxRows } = bounds;
  const { provider } = decoder.runner;
  if (!sharesKvBuffer(graph)) return new SeparateRows({ graph: decoder, maxRows });
  const options = {
    ...{ graph: decoder, maxRows, maxTokens },
    hasDependentRows: hasDependentRows(graph),
  };
  if (provider === 'cpu') return openSharedRows(options, graph);
  if (copier === undefined) {
    throw new LlmosError('FAILED_PRECONDITION', `no rows can be kept on ${provider}`);
  }
  return new DeviceRows({ ...options, copier });
}

/**
 * Feeding `alike` fixes how many tokens of a row a run has, not how many rows: where that changes
 * how a row is rounded, none may be alone. Rows that never share a run are rounded alike as it is.
 */
async function openSharedRows(options: SharedRowsOptions, graph: GraphFacts): Promise<SharedRows> {
  const pair = new SharedRows({ ...options, maxRows: 2 });
  const isAtRisk = graph.operators.has('MatMulNBits') && pair.rowsPerRun > 1;
  return new SharedRows({ ...options, roundsLoneRow: isAtRisk && (await roundsLoneRow(pair)) });
}
