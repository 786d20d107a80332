/** Which rows the engine *generate* gets. */
import type { GenerateInput } from '@llmos/base';
import type { GenerationSettings } from '../../models/model-settings';
import { drive, generateRequest } from '../../testing/driven-engine';
import { characterTokenizer, fakeDecoder } from '../../testing/fake-decoder';
import { testCosts } from '../../testing/test-costs';
import { openGenerateEngine } from './open-generate-engine';

const SETTINGS: GenerationSettings = {
  ...{ endIds: new Set(), temperature: 0, topK: 0, topP: 1, minP: 0 },
  repetitionPenalty: 1,
};

/** How many rows each step had that came after the prompt. */
async function rowsOfSteps(operators: readonly string[], roundsLoneRow: boolean) {
  const runner = fakeDecoder({ vocabulary: 128, isShared: true, roundsLoneRow });
  const engine = await openGenerateEngine({
    ...{ runner, tokenizer: characterTokenizer, chatTemplate: undefined, settings: SETTINGS },
    manifest: { task: 'generate', graph: 'model.onnx' },
    graph: {
      ...{ inputs: runner.inputs, outputs: runner.outputs, externalFiles: [], weightBits: 32 },
      operators: new Set(['GroupQueryAttention', ...operators]),
    },
    ...{ maxTokens: 64, bounds: { maxRows: 1, maxSavedBytes: 0, maxPrefixBytes: 0 } },
    ...{ costs: testCosts(), nowMs: () => 0 },
  });
  const before = runner.runs.length;
  const input: GenerateInput = { prompt: 'a lone row', maxTokens: 4 };
  const heard = { preempted: new Map(), chunks: [] };
  await drive({ engine, heard, check: () => engine.checkSequences() }, [generateRequest(input)]);
  return runner.rowCounts.slice(before + 1);
}

describe('the engine generate of a graph with rows in one buffer', () => {
  it('steps a lone row in company where the runtime rounds it otherwise', async () => {
    expect(await rowsOfSteps(['MatMulNBits'], true)).toEqual([2, 2, 2]);
  });

  it('steps a lone row alone where it is rounded alike, or no weight has few bits', async () => {
    expect(await rowsOfSteps(['MatMulNBits'], false)).toEqual([1, 1, 1]);
    expect(await rowsOfSteps(['MatMul'], true)).toEqual([1, 1, 1]);
  });
});
