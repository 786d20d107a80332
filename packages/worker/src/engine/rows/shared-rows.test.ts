import { seededRandom } from '@llmos/base';
import { fakeDecoder } from '../../testing/fake-decoder';
import { DecoderGraph } from './decoder-graph';
import type { KvRow } from './decoder-rows';
import { SharedRows } from './shared-rows';

const SETTINGS = {
  ...{ endIds: new Set<number>(), temperature: 0, topK: 0, topP: 1, minP: 0 },
  repetitionPenalty: 1,
};
const VOCABULARY = 16;

interface Traits {
  readonly hasDependentRows?: boolean;
  readonly roundsLoneRow?: boolean;
}

function rowsOf(maxRows: number, traits: Traits = {}) {
  const { hasDependentRows = false, roundsLoneRow = false } = traits;
  const runner = fakeDecoder({ vocabulary: VOCABULARY, isShared: true, roundsLoneRow });
  const graph = new DecoderGraph(runner, SETTINGS);
  const options = { graph, maxRows, maxTokens: 512, hasDependentRows, roundsLoneRow };
  return { runner, rows: new SharedRows(options) };
}

/** What a row gives that was fed these tokens and nothing else. */
async function logitsAfter(ids: readonly number[]): Promise<readonly number[]> {
  const { rows } = rowsOf(1);
  return Array.from(await rows.feed(await rows.open(), ids, 1));
}

interface Twin {
  row: KvRow;
  ids: number[];
}

describe('rows in one buffer', () => {
  it.each([
    ['', {}],
    [', where the runtime rounds a lone row', { roundsLoneRow: true }],
  ])('hold what they were fed, whatever the others do%s', async (_, traits) => {
    const random = seededRandom(3);
    const { rows } = rowsOf(6, traits);
    const twins: Twin[] = [];
    const some = (count: number) => Array.from({ length: count }, () => random.below(VOCABULARY));
    for (let step = 0; step < 300; step += 1) {
      const dice = random.next();
      const at = random.below(Math.max(1, twins.length));
      const twin = twins[at];
      if (twin === undefined || (dice < 0.15 && twins.length < 6)) {
        const ids = some(1 + random.below(90));
        const row = await rows.open();
        await rows.feed(row, ids, 1);
        twins.push({ row, ids });
      } else if (dice < 0.25) {
        rows.close(twin.row);
        twins.splice(at, 1);
      } else if (dice < 0.35) {
        const saved = await rows.save(twin.row);
        rows.close(twin.row);
        const tokenCount = 1 + random.below(twin.ids.length);
        twin.row = await rows.restore(saved, tokenCount);
        twin.ids = twin.ids.slice(0, tokenCount);
      } else if (dice < 0.4) {
        twin.ids = twin.ids.slice(0, 1 + random.below(twin.ids.length));
        rows.cut(twin.row, twin.ids.length);
      } else {
        const chosen = twins.filter(() => random.chance(0.6));
        if (chosen.length === 0) continue;
        const ids = some(chosen.length);
        const logits = await rows.decode(
          chosen.map(({ row }) => row),
          ids,
        );
        for (const [index, each] of chosen.entries()) {
          each.ids.push(ids[index] as number);
          const own = logits.subarray(index * VOCABULARY, (index + 1) * VOCABULARY);
          expect(Array.from(own)).toEqual(await logitsAfter(each.ids));
        }
      }
      expect(rows.checkRows()).toEqual([]);
      expect(twins.map(({ row }) => row.tokenCount)).toEqual(twins.map(({ ids }) => ids.length));
    }
  });

  it('give the logits of the last tokens that are wanted', async () => {
    const { rows } = rowsOf(2);
    const row = await rows.open();
    await rows.feed(row, [1, 2, 3], 1);
    const logits = await rows.feed(row, [4, 5, 6], 2);
    expect(Array.from(logits)).toEqual([
      ...(await logitsAfter([1, 2, 3, 4, 5])),
      ...(await logitsAfter([1, 2, 3, 4, 5, 6])),
    ]);
  });

  it('take an empty one along where the runtime rounds a lone row, and count its room', async () => {
    const { rows, runner } = rowsOf(1, { roundsLoneRow: true });
    const row = await rows.open();
    await rows.feed(row, [1], 1);
    expect(await rows.decode([row], [2])).toHaveLength(VOCABULARY);
    expect(runner.rowCounts).toEqual([2, 2]);
    expect(rows.bytes).toBe(2 * 64 * rows.bytesPerToken);
    rows.cut(row, 0);
    await rows.feed(row, [1, 2], 1);
    expect(runner.rowCounts.at(-1)).toBe(1);
  });

  it('are as they were after a run that failed', async () => {
    const runner = fakeDecoder({ vocabulary: 4, isShared: true, fails: (run) => run === 2 });
    const graph = new DecoderGraph(runner, SETTINGS);
    const options = { maxRows: 2, maxTokens: 64, hasDependentRows: false };
    const rows = new SharedRows({ graph, ...options });
    const row = await rows.open();
    await rows.feed(row, [1, 2], 1);
    await expect(rows.decode([row], [3])).rejects.toThrow('the fake failed');
    expect(row.tokenCount).toBe(2);
    await rows.decode([row], [3]);
    expect(row.tokenCount).toBe(3);
  });

  it('are refused beyond their number, and run alone where they depend on each other', async () => {
    const { rows } = rowsOf(2, { hasDependentRows: true });
    const open = [await rows.open(), await rows.open()];
    await expect(rows.open()).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    expect(rows.rowsPerRun).toBe(1);
    for (const row of open) await rows.feed(row, [1], 1);
    await expect(rows.decode(open, [1, 2])).rejects.toMatchObject({ code: 'INTERNAL' });
    rows.closeAll();
    expect([rows.bytes, rows.checkRows()]).toEqual([0, []]);
  });
});
