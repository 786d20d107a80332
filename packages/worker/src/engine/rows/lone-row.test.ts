import { fakeDecoder } from '../../testing/fake-decoder';
import { DecoderGraph } from './decoder-graph';
import { roundsLoneRow } from './lone-row';
import { SharedRows } from './shared-rows';

const SETTINGS = {
  ...{ endIds: new Set<number>(), temperature: 0, topK: 0, topP: 1, minP: 0 },
  repetitionPenalty: 1,
};

describe('a lone row', () => {
  it.each([true, false])('is measured against one of two: %s', async (isRounded) => {
    const runner = fakeDecoder({ vocabulary: 16, isShared: true, roundsLoneRow: isRounded });
    const graph = new DecoderGraph(runner, SETTINGS);
    const rows = new SharedRows({ graph, maxRows: 2, maxTokens: 64, hasDependentRows: false });
    expect(await roundsLoneRow(rows)).toBe(isRounded);
    expect([runner.rowCounts, runner.runs.flat()]).toEqual([
      [2, 1],
      [8, 8, 8],
    ]);
    expect([await rows.open(), await rows.open()]).toHaveLength(2);
  });
});
